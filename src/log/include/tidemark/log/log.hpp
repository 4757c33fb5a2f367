#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
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
  std::uint64_t segment_bytes = 64ull << 20;  ///< Size of a segment file, preallocated with zeros.
  std::uint64_t max_group_bytes = 32ull << 20;  ///< A larger group is refused; at most segment_bytes less its head.
};

/// What open() found and did.
struct RecoveryReport {
  bool created = false;                    ///< There was no log; a new one with a new id was made.
  Offset first_offset = 0;
  Offset end_offset = 0;                   ///< Of what was recovered, before this start's own record.
  std::uint64_t torn_bytes_cut = 0;        ///< Bytes of a last group that was never acknowledged; cut and zeroed.
  std::vector<Damage> damage;              ///< Synced groups that fail their checksum; readers skip and report them.
  std::optional<Timestamp> last_arrival;   ///< Of the last readable record.
};

/// A segment that is about to be dropped or stands in the log.
struct SegmentInfo {
  Offset first = 0;
  Offset end = 0;
  Timestamp last_arrival;
  std::uint64_t bytes = 0;
};

/// The log of what arrived: segmented, preallocated, checksummed, with one committer and any number of readers.
///
/// *Durability*: when commit() returns, the group is on disk (fdatasync); readers see only what is. A torn tail found at
/// open is cut, zeroed and synced before anything is read. *Concurrency*: commit() from one thread; synced_end(),
/// reader(), trim functions and statistics from any. *Lifetime*: readers must not outlive their log.
/// A background thread prepares the next segment, so that commit() never waits for zeroing unless it outruns it.
class Log {
 public:
  /// Opens the log in options.directory, or makes one. Recovers, then writes and syncs this start's record, so that
  /// next_offset() >= 1 afterwards. Errors: kCorrupt (a head or preamble that can't be used, naming file and remedy),
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

  /// Writes the group as one frame and syncs it; then publishes the new synced end. An error leaves the log unusable:
  /// the process must end, never retry (a second sync may lie). kTooLarge is the exception: nothing was written.
  Result<void> commit(GroupBuilder& group);

  /// One past the last record that is on disk. Waits for nothing.
  Offset synced_end() const noexcept;
  /// The oldest record that the log still holds.
  Offset first_offset() const noexcept;
  /// Bytes of frames from `offset` to the synced end, to the frame's precision.
  std::uint64_t bytes_from(Offset offset) const;

  /// The start in force at `offset`: the id of the last start record at or before it. Nothing if `offset` lies before
  /// first_offset() or past synced_end(). A cursor that stands at `offset` must name this id.
  std::optional<StartId> start_at(Offset offset) const;

  /// Makes a reader that stands nowhere yet.
  std::unique_ptr<Reader> reader();

  /// The oldest segment, if every record in it lies before `floor` and arrived before `keep_from`, and it isn't the
  /// one being written.
  std::optional<SegmentInfo> oldest_trimmable(Offset floor, Timestamp keep_from) const;
  /// Drops the oldest segment, which oldest_trimmable() has just named. Readers inside it fail with kNotFound.
  Result<void> drop_oldest();
  std::vector<SegmentInfo> segments() const;

 private:
  friend class Reader;
  struct Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::log
