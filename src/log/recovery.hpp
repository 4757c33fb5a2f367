#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "catalog.hpp"
#include "id_file.hpp"
#include "tidemark/log/log.hpp"

namespace tidemark::log {

/// What the directory of a log holds, checked.
struct FoundLog {
  std::optional<IdFile> id;   ///< Nothing in a directory that never held a log.
  bool id_file_lost = false;  ///< The id was taken from the segments.
  std::deque<Segment> segments;
  std::vector<StartMark> starts;  ///< All that the segments before the newest hold, and the one in force before.
};

/// Reads the id file and all segment heads and makes sure that they are one log without a gap. Removes what a crash
/// left half made. Changes nothing else. Errors as Log::open.
Result<FoundLog> find_log(FileSystem& files, const LogOptions& options);

/// The newest segment, recovered.
struct RecoveredTail {
  std::unique_ptr<File> file;
  StickyPtr sticky;  ///< In force at the end.
  std::uint64_t torn_bytes = 0;
  std::vector<Damage> damage;
  std::vector<StartMark> starts;
  /// The end can't be written on: what proves that the damage before it is damage was torn itself. A new segment's head
  /// takes over the proof.
  bool must_roll = false;
};

/// Reads the frames of the newest segment, fills in its end, cuts a torn tail, and makes what is left durable.
Result<RecoveredTail> recover_tail(FileSystem& files, Segment& tail);

}  // namespace tidemark::log
