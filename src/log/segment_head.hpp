#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "frame.hpp"
#include "sticky.hpp"
#include "tidemark/base/file_system.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::log {

inline constexpr std::size_t kSegmentHeadFixedBytes = 96;

/// The block that opens a segment file; written once, synced before the file gets its name.
struct SegmentHead {
  FrameSpace space;
  Offset first = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t previous_end = 0;             ///< Log position behind the last frame of the segment before.
  std::optional<Timestamp> previous_arrival;  ///< Of the last group before this segment.
  StickyPtr sticky;                           ///< In force where the segment begins.
  std::vector<StartMark> previous_starts;     ///< The start records within the segment before.
  std::uint64_t head_bytes = 0;               ///< Where the first frame stands; set by encode and read.

  /// One past the last byte of the file, as a log position.
  std::uint64_t end_position() const noexcept { return space.base + file_bytes; }
};

/// Writes the block and sets head.head_bytes.
std::string encode_segment_head(SegmentHead& head);

/// Reads the head of the segment file `path` and checks it against its name and size. Errors: kCorrupt with the remedy,
/// kUnsupported (a newer version), kIo.
Result<SegmentHead> read_segment_head(File& file, const std::string& path);

/// `<first offset, 16 hexadecimal digits>.log`
std::string segment_name(Offset first);
/// The first offset that a file name states; nothing if it isn't a segment's name.
std::optional<Offset> parse_segment_name(std::string_view name) noexcept;

}  // namespace tidemark::log
