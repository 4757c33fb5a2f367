#pragma once

#include <cstddef>
#include <memory>

#include "tidemark/base/hash.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/base/time.hpp"
#include "tidemark/ingest/event_parser.hpp"
#include "tidemark/ingest_http/ports.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::ingest_http {

struct IngestOptions {
  std::size_t io_threads = 1;  ///< As the server's.
  ingest::EventLimits limits;
  FingerprintKey fingerprint_key;
  microseconds max_future_skew{};
  /// Answers every path that isn't ingest's; null: 404.
  net::Handler* next = nullptr;
};

/// The doors over HTTP: `POST /increment`, `GET /increment/{key}`, `POST /api/v1/events`, `/healthz`, `/readyz` and
/// `/metrics`. A success means that what was sent is on disk.
///
/// *Concurrency*: each io thread has parsers and submissions of its own; the committer hands a whole group back with
/// one task for each io thread. *Lifetime*: must outlive the server, and must be destroyed only after the arrivals were
/// stopped: submissions that are under way belong to it. *Limits*: submissions under way are bounded by the server's
/// connections and the queue of the arrivals; each io thread keeps at most 16 MiB of memory for reuse.
class IngestRoutes final : public net::Handler {
 public:
  IngestRoutes(IngestPorts ports, IngestOptions options, Metrics& metrics);
  ~IngestRoutes() override;
  IngestRoutes(const IngestRoutes&) = delete;
  IngestRoutes& operator=(const IngestRoutes&) = delete;

  void handle(net::Exchange& exchange) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::ingest_http
