#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tidemark/base/clock.hpp"
#include "tidemark/base/file_system.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/base/random.hpp"
#include "tidemark/log/group.hpp"
#include "tidemark/log/reader.hpp"
#include "tidemark/log/types.hpp"

namespace tidemark::log {

struct LogOptions {
  std::string directory;
  PartitionId partition = 0;
  /// Size of a segment file, preallocated with zeros: a multiple of 4 KiB, at most 4 GiB. Applies to new segments.
  std::uint64_t segment_bytes = 64ull << 20;
  /// A larger group is refused; never more than half a segment, whatever is set here.
  std::uint64_t max_group_bytes = 32ull << 20;
  /// False: the next segment is made within commit() when it is needed, with no thread, so that a simulator sees every
  /// file operation in one order.
  bool prepare_in_background = true;
};

/// What open() found and did.
struct RecoveryReport {
  bool created = false;  ///< There was no log; a new one with a new id was made.
  Offset first_offset = 0;
  Offset end_offset = 0;             ///< Of what was recovered, before this start's own record.
  std::uint64_t torn_bytes_cut = 0;  ///< Bytes of a last group that was never acknowledged; cut and zeroed.
  /// Synced groups of the last segment that fail their checksum; readers skip and report them. Older segments aren't
  /// read at open: readers report what they meet there.
  std::vector<Damage> damage;
  std::optional<Timestamp> last_arrival;  ///< Of the last readable group.
};

/// A segment that is about to be dropped or stands in the log.
struct SegmentInfo {
  Offset first = 0;
  Offset end = 0;
  Timestamp last_arrival;  ///< Of the last group at or before `end`.
  std::uint64_t bytes = 0;
};

/// The log of what arrived: segmented, preallocated, checksummed, with one committer and any number of readers.
///
/// *Durability*: when commit() returns, the group is on disk (fdatasync); readers see only what is. A torn tail found
/// at open is cut, zeroed and synced before anything is read. *Concurrency*: commit() and what says so from one thread;
/// the rest from any. *Lifetime*: readers must not outlive their log.
/// A background thread prepares the next segment, so that commit() never waits for zeroing unless it outruns it.
class Log {
 public:
  /// Opens the log in options.directory, or makes one. Recovers, then writes and syncs this start's record, so that
  /// next_offset() >= 1 afterwards. The caller holds the lock on the data directory. Errors: kCorrupt (a head or
  /// sticky record that can't be used, or a segment missing in the middle), kRefused (segments lost, or of another log
  /// or partition), kUnsupported (made by a newer version), each naming file and remedy; kInvalidArgument (options),
  /// kDiskFull, kIo.
  static Result<std::unique_ptr<Log>> open(FileSystem& files, Clock& clock, Random& random, Metrics& metrics,
                                           LogOptions options, RecoveryReport& report);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  const LogId& id() const noexcept;
  PartitionId partition() const noexcept;
  /// This start's id and the offset of its record.
  const StartId& start_id() const noexcept;
  Offset start_offset() const noexcept;

  /// The offset that the next committed record gets. Committer only.
  Offset next_offset() const noexcept;
  /// Arrival stamp of the last group; the next group's must not lie before it. Committer only.
  Timestamp last_arrival() const noexcept;

  /// Writes the group as one frame and syncs it; then publishes the new synced end. An empty group does nothing.
  /// Committer only. Errors: kTooLarge (the group, or the sticky records that would then be in force: an eighth of a
  /// segment), kInvalidArgument (arrival before last_arrival()) and kDiskFull (no room for the next segment): nothing
  /// was written, and the log goes on. Any other error leaves the log unusable, and each later commit fails with kIo:
  /// the process must end, never retry (a second sync may lie).
  Result<void> commit(GroupBuilder& group);

  /// One past the last record that is on disk. Waits for nothing.
  Offset synced_end() const noexcept;
  /// The oldest record that the log still holds.
  Offset first_offset() const noexcept;
  /// Bytes of frames from `offset` to the synced end: 0 at the end, never rising with the offset, and in between
  /// estimated from marks that lie 256 KiB apart in the newest segments, a segment apart in older ones.
  std::uint64_t bytes_from(Offset offset) const;

  /// The start under which a cursor at `offset` stands: the id of the last start record before `offset` (at 0: the
  /// first one). It never changes for as long as the log is the same log, and a cursor at `offset` must name it.
  /// Nothing if `offset` lies before first_offset() or past synced_end().
  std::optional<StartId> start_at(Offset offset) const;

  /// Makes a reader that stands nowhere yet.
  std::unique_ptr<Reader> reader();

  /// The oldest segment, if every record in it lies before `floor` and arrived before `keep_from`, and it isn't the
  /// one being written.
  std::optional<SegmentInfo> oldest_trimmable(Offset floor, Timestamp keep_from) const;
  /// Drops the oldest segment, which oldest_trimmable() has just named. Readers inside it fail with kNotFound. One
  /// thread at a time. After an error the segment is gone or not, as oldest_trimmable() then tells.
  Result<void> drop_oldest();
  std::vector<SegmentInfo> segments() const;

 private:
  struct Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::log
