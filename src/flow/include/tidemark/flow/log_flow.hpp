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
  microseconds flush_interval = seconds(1);  ///< How long a page gathers at least before it is committed.
  /// How long it may gather where commits are dear: a page gathers ten times as long as the last one took to commit.
  microseconds flush_interval_max = seconds(4);
  std::size_t page_items = 1'000'000;
  std::size_t page_bytes = 256u << 20;            ///< Of log payload.
  std::size_t page_rows = 200'000;                ///< Of pending writes.
  std::size_t exact_page_items = 10'000;          ///< Bound of a page under Care::kExact.
  microseconds poll_interval = milliseconds(50);  ///< How often the log is looked at while nothing is there to be read.
  microseconds retry_min = milliseconds(100);
  microseconds retry_max = seconds(10);
  microseconds watermark_interval = seconds(1);  ///< How often complete_through moves when nothing arrives.
  /// Where the backlog is counted from until the cursor was first read, see AppliedNote.
  log::Offset noted = 0;
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
  std::string reason;     ///< Empty unless degraded or refused.
  log::Position applied;  ///< Committed to SQL: everything before it.
  std::optional<Timestamp> complete_through;
  std::optional<Timestamp> last_success;
  MonotonicTime last_attempt{};  ///< When step() was last called; it returns within the database's time-outs.
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
/// *Isolation*: a page that overflows or that the database refuses is folded again with Care::kExact, in smaller and
/// smaller pages as long as it is refused; a single item that is still refused becomes a dead letter. A damaged span of
/// the log becomes one dead letter.
/// *Watermark*: complete_through is the arrival of the first record that the page leaves out; where it leaves none out,
/// what clock.now() answered before the log's end was read. So everything acknowledged before it is applied. It never
/// falls.
/// *Concurrency*: step() from one thread; the rest from any. *Lifetime*: all that it is given must outlive it.
class LogFlow {
 public:
  /// `clock.now()` must be the clock that stamps arrivals: no group is stamped earlier than it answered before the
  /// group was begun.
  LogFlow(LogFlowOptions options, log::Log& log, sql::Database& database, LogFold& fold, Clock& clock, Random& random,
          Metrics& metrics);
  ~LogFlow();

  /// Does one unit of work: open the cursor, or gather and apply a page. Returns how long to wait before the next call
  /// (zero when there is more to do). `drain` applies what is there without waiting for the flush interval.
  microseconds step(bool drain = false);
  /// Notes for status() and the metrics that nobody steps any more.
  void note_stopped();

  FlowStatus status() const;
  /// Where the log may be trimmed up to as far as this flow is concerned: 0 until the cursor was first read.
  log::Offset applied_offset() const noexcept;
  /// Where the backlog begins: applied_offset(), and before the cursor was first read what options.noted says.
  log::Offset backlog_offset() const noexcept;
  /// True when all that the log holds on disk is committed to SQL.
  bool caught_up() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Runs a LogFlow's steps on a thread of its own until stopped. *Concurrency*: start() and stop() from one thread.
class FlowThread {
 public:
  explicit FlowThread(LogFlow& flow);
  /// Ends the thread without applying more. Waits for a call to the database that is under way, up to its time-out.
  ~FlowThread();
  FlowThread(const FlowThread&) = delete;
  FlowThread& operator=(const FlowThread&) = delete;

  void start();
  /// Applies what the log holds, for at most `budget`, and lets the thread end. True when everything was applied.
  /// Returns in time even when a call to the database hangs; the destructor then waits for that.
  bool stop(microseconds budget);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::flow
