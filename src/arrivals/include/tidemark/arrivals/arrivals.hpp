#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "tidemark/arrivals/submission.hpp"
#include "tidemark/base/clock.hpp"
#include "tidemark/base/file_system.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/base/random.hpp"
#include "tidemark/keyset/keyset.hpp"
#include "tidemark/log/log.hpp"

namespace tidemark::arrivals {

struct ArrivalsOptions {
  std::string directory;  ///< Holds `log/` and `keyset/`.
  microseconds identity_window{};
  microseconds max_event_age{};
  microseconds max_future_skew{};
  std::uint64_t log_segment_bytes = 64ull << 20;
  std::uint64_t keyset_memory_bytes = 256ull << 20;
  std::uint64_t backlog_max_bytes = 16ull << 30;  ///< Log not yet applied by the slowest flow; past it doors close.
  std::uint64_t disk_reserve_bytes = 1ull << 30;  ///< Doors close when less is free.
  std::uint64_t queue_max_bytes = 64ull << 20;    ///< Encoded bytes waiting for the committer.
  std::uint64_t group_max_bytes = 4ull << 20;     ///< A group takes waiting submissions up to here.
};

/// What open() found, for the log of the process.
struct ArrivalsReport {
  log::RecoveryReport log;
  keyset::KeySetReport keyset;
  std::uint64_t restored_claims = 0;  ///< Read from the log's tail.
  std::string clock_warning;          ///< Not empty when claims are held back, and why.
};

/// Whether the doors accept, and if not why.
struct DoorState {
  enum class Reason : std::uint8_t { kOpen, kStarting, kStopping, kBacklogFull, kDiskReserve, kFailed };
  Reason reason = Reason::kStarting;
  bool open() const noexcept { return reason == Reason::kOpen; }
  std::string_view text() const noexcept;
};

/// Claim-and-append: proves each event new against the key set and puts it on disk, one group at a time.
///
/// For every group its one committer looks up, reserves, assigns positions, appends, syncs, then answers: so a
/// duplicate is answered only after its owner is on disk. *Durability*: a verdict `new` is on disk when the sink gets
/// it. A failed write or sync answers 503 to all who wait and calls on_fatal once: the process must end.
/// *Concurrency*: submit() and the observers from any thread.
class Arrivals {
 public:
  static Result<std::unique_ptr<Arrivals>> open(FileSystem& files, Clock& clock, Random& random, Metrics& metrics,
                                                ArrivalsOptions options, ArrivalsReport& report);
  ~Arrivals();

  /// Starts the committer and opens the doors. `on_fatal` is called on the committer's thread.
  void start(std::function<void(const Error&)> on_fatal);
  /// Closes the doors, commits and answers what was submitted, writes a last checkpoint, joins the thread.
  void stop();

  /// Whether a submission can be stored at all. Error kTooLarge.
  Result<void> admits(const Submission& submission) const;
  /// Queues submissions that are admitted, at one wake-up of the committer, which takes them as one group if they fit.
  /// They come back through their sinks. Error kUnavailable when the doors are closed or the queue is full: then none
  /// comes back.
  Result<void> submit(std::span<Submission* const> submissions);

  /// Appends a control record (sticky) through the committer and waits until it is on disk.
  Result<log::Offset> append_control(log::RecordKind kind, std::string payload);

  /// The arrival clock: never falls, follows the monotonic clock within a process.
  Timestamp now() const noexcept;
  /// The time by which what is remembered may be forgotten: behind now() by as much as the clock is doubted. No event
  /// that is older than this by max_event_age will be accepted.
  Timestamp trusted() const noexcept;
  DoorState doors() const noexcept;
  const FingerprintKey& fingerprint_key() const noexcept;
  log::Log& log() noexcept;
  const ArrivalsOptions& options() const noexcept;

  /// Sets what tells how far the flows have come: the log is kept from `applied` on, and what it holds from `backlog`
  /// on is the backlog. They differ only while no database has answered yet: see LogFlow. Call before start().
  void set_applied(std::function<log::Offset()> applied, std::function<log::Offset()> backlog);

  /// Drops one segment of the log that every flow, the retention and the key set's checkpoint have done with, after
  /// `before_drop` has kept what must be kept of it. Returns whether it dropped one. From a housekeeping thread.
  Result<bool> trim_step(microseconds retention,
                         const std::function<Result<void>(const log::SegmentInfo&)>& before_drop);

  keyset::KeySetStats keyset_stats() const;
  std::uint64_t backlog_bytes() const;

 private:
  struct Impl;
  explicit Arrivals(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::arrivals
