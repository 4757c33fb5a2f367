#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/arrivals/submission.hpp"
#include "tidemark/base/clock.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/base/time.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::ingest_http {

/// Says whose usage a request is about, or refuses it: the seam where access control comes in. The view must live until
/// the call that asked returns. Called on io threads; must not block.
using TenantResolver = std::function<Result<std::string_view>(const net::Request&)>;

/// Every request belongs to the tenant `default`.
Result<std::string_view> default_tenant(const net::Request& request);

/// The total of one counter, as SQL has it.
struct IncrementTotal {
  std::int64_t value = 0;
  /// Everything that had arrived by then is in it; absent while that isn't known.
  std::optional<Timestamp> complete_through;
};

/// Looks totals up. Implemented by a thread of its own with a bounded queue, because SQL blocks.
class IncrementReader {
 public:
  /// Nothing when the key has no total.
  using Done = std::function<void(Result<std::optional<IncrementTotal>>)>;

  virtual ~IncrementReader() = default;
  /// Asks for a total without waiting; `done` is called exactly once, on any thread, also at shutdown (kUnavailable).
  /// Error kUnavailable when the queue is full: then `done` isn't called. `tenant` is copied.
  virtual Result<void> read(std::string_view tenant, const std::array<std::byte, 16>& key, Done done) = 0;
};

/// Whether the process can do its work.
struct Readiness {
  std::vector<std::string> refusing;  ///< Why it isn't ready, one sentence each; empty when it is.
  std::vector<std::string> degraded;  ///< What fails while the doors stay open.
};

/// What the routes need of the rest of the process. Everything is called on io threads and must not block.
struct IngestPorts {
  std::function<Result<void>(const arrivals::Submission&)> admits;             ///< Arrivals::admits
  std::function<Result<void>(std::span<arrivals::Submission* const>)> submit;  ///< Arrivals::submit
  std::function<Timestamp()> arrival_time;                                     ///< Arrivals::now
  /// HttpServer::post. Called on the committer's thread and on the threads of `increments` too.
  std::function<void(std::size_t io_thread, std::function<void()> task)> post;
  TenantResolver tenant = default_tenant;
  std::function<Readiness()> readiness;
  IncrementReader* increments = nullptr;
  Clock* clock = nullptr;
};

}  // namespace tidemark::ingest_http
