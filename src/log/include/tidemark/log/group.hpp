#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tidemark/log/types.hpp"

namespace tidemark::log {

/// The records of one group commit under construction: one frame, one write, one sync. Its memory is kept between
/// groups. Format: docs/formats/log.md. Concurrency: confined to the committer.
class GroupBuilder {
 public:
  GroupBuilder();
  /// Starts a new group, keeping the memory. All its records share one arrival stamp, which must not lie before
  /// Log::last_arrival().
  void reset(Timestamp arrival);
  /// Appends a record; returns its number within the group, from 0. Its offset will be Log::next_offset() plus that.
  std::uint32_t add(RecordKind kind, Bytes payload) { return add(kind, payload, {}); }
  /// The same for a payload in two parts, which saves the caller from joining them.
  std::uint32_t add(RecordKind kind, Bytes head, Bytes rest);
  std::uint32_t record_count() const noexcept { return count_; }
  /// What the group will take in the log, but for the second copy that sticky records get.
  std::size_t size_bytes() const noexcept { return buffer_.size(); }
  Timestamp arrival() const noexcept { return arrival_; }

 private:
  friend class Log;
  struct StickyPart {
    RecordKind kind;
    std::uint32_t index;
    std::size_t at;  // Of its payload, in buffer_.
    std::size_t size;
  };
  std::string buffer_;  // Frame head (filled in by Log::commit), then the records.
  std::uint32_t count_ = 0;
  std::vector<StickyPart> sticky_;
  Timestamp arrival_{};
};

}  // namespace tidemark::log
