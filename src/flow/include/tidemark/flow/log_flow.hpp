#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tidemark/base/clock.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/base/random.hpp"
#include "tidemark/flow/log_fold.hpp"
#include "tidemark/log/log.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::flow {

struct LogFlowOptions {
  microseconds flush_interval = seconds(1);  ///< How long a page may gather before it is committed.
  std::size_t page_items = 1'000'000;
  std::size_t page_bytes = 256u << 20;   ///< Of log payload.
  std::size_t page_rows = 200'000;       ///< Of pending writes.
  std::size_t exact_page_items = 10'000;  ///< Bound of a page under Care::kExact.
  microseconds retry_min = milliseconds(100);
  microseconds retry_max = seconds(10);
  microseconds watermark_interval = seconds(1);  ///< How often complete_through moves when nothing arrives.
};

enum class FlowState : std::uint8_t {
  kStarting,    ///< Hasn't opened its cursor yet.
  kRunning,     ///< Caught up or applying.
  kCatchingUp,  ///< The last page ended before the log's end.
  kDegraded,    ///< The last attempt failed; it is tried again.
  kRefused,     ///< Going on would lose or double: needs an operator; the reason names the remedy.
  kStopped,
};
std::string_view flow_state_name(FlowState state) noexcept;

struct FlowStatus {
  FlowState state = FlowState::kStarting;
  std::string reason;  ///< Empty unless degraded or refused.
  log::Position applied;  ///< Committed to SQL: everything before it.
  std::optional<Timestamp> complete_through;
  std::optional<Timestamp> last_success;
  MonotonicTime last_attempt{};
  std::uint64_t backlog_bytes = 0;
  std::uint64_t retries = 0;
  std::uint64_t dead_letters = 0;
};

/// A flow from one partition of the log into a SQL database: reads pages after its cursor, folds them, and writes them
/// in the transaction that advances the cursor by compare-and-set. A replay, or a second runner, changes nothing.
///
/// After any error it rolls back, drops the session, reads the cursor back and folds again, with jittered, capped
/// waits. When it opens its cursor it makes sure that the log holds the start record that the cursor stands under and
/// every position from the cursor on; else it refuses (kRefused) and names the remedy.
/// *Concurrency*: step() from one thread; the rest from any.
class LogFlow {
 public:
  LogFlow(LogFlowOptions options, log::Log& log, sql::Database& database, LogFold& fold, Clock& clock, Random& random,
          Metrics& metrics);
  ~LogFlow();

  /// Does one unit of work: open the cursor, or gather and apply a page. Returns how long to wait before the next call
  /// (zero when there is more to do). `drain` applies what is there without waiting for the flush interval.
  microseconds step(bool drain = false);

  FlowStatus status() const;
  /// Where the log may be trimmed up to as far as this flow is concerned.
  log::Offset applied_offset() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Runs a LogFlow's steps on a thread of its own until stopped.
class FlowThread {
 public:
  explicit FlowThread(LogFlow& flow);
  ~FlowThread();
  void start();
  /// Applies what the log holds, for at most `budget`, then ends the thread. True when everything was applied.
  bool stop(microseconds budget);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::flow
