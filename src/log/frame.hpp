#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "tidemark/base/bytes.hpp"
#include "tidemark/log/types.hpp"

/// The frame of a group, as in docs/formats/log.md.
namespace tidemark::log {

inline constexpr std::size_t kFrameAlignment = 8;
inline constexpr std::size_t kFrameHeadBytes = 64;
inline constexpr std::uint32_t kFrameMagic = 0x31474d54;  // "TMG1"

inline constexpr std::uint64_t align_frame(std::uint64_t bytes) noexcept {
  return (bytes + kFrameAlignment - 1) & ~std::uint64_t{kFrameAlignment - 1};
}

/// A segment's place in the log. It seeds the checksums, so that bytes of another log, or of another place, never pass.
struct FrameSpace {
  LogId log;
  PartitionId partition = 0;
  std::uint64_t base = 0;  ///< Log position of the file's first byte.

  std::uint64_t seed(std::uint64_t at, Offset first) const noexcept;
};

struct FrameHead {
  static constexpr std::uint32_t kEcho = 1;       ///< No records: the sticky records in force, a second time.
  static constexpr std::uint32_t kHasSticky = 2;  ///< Sticky records are among the records.

  std::uint32_t body_bytes = 0;  ///< Without the padding.
  Offset first = 0;
  std::uint32_t record_count = 0;
  std::uint32_t flags = 0;
  Timestamp arrival;
  std::uint64_t synced_end = 0;  ///< Log position up to which all was synced before this was written.
  Offset sticky_end = 0;         ///< One past the last sticky record before this frame; 0 if there was none.
  std::uint64_t body_checksum = 0;
  std::uint64_t seed = 0;  ///< Not stored: of the place where the frame stands.

  Offset end() const noexcept { return first + record_count; }
  std::uint64_t frame_bytes() const noexcept { return kFrameHeadBytes + align_frame(body_bytes); }
  bool is_echo() const noexcept { return (flags & kEcho) != 0; }
  bool has_sticky() const noexcept { return (flags & kHasSticky) != 0; }
};

/// Fills in checksums and the first kFrameHeadBytes of `frame`, whose body and zero padding stand already. `at` is the
/// frame's place in the segment file.
void seal_frame(std::span<std::byte> frame, FrameHead head, const FrameSpace& space, std::uint64_t at) noexcept;

/// Reads the head of a frame that stands at `at` of a file of `file_bytes`. Nothing unless its checksum holds and the
/// frame fits the file.
std::optional<FrameHead> read_frame_head(Bytes head, const FrameSpace& space, std::uint64_t at,
                                         std::uint64_t file_bytes) noexcept;

/// True if `frame`, head, body and padding, holds the body that its head was made for.
bool body_is_whole(const FrameHead& head, Bytes frame) noexcept;

/// The records within a whole frame, without the padding.
inline Bytes body_of(const FrameHead& head, Bytes frame) noexcept {
  return frame.subspan(kFrameHeadBytes, head.body_bytes);
}

/// Calls visit(offset, kind, payload) for each record until it returns false. False if the records break their form.
template <class Visit>
bool visit_records(const FrameHead& head, Bytes body, Visit&& visit) {
  ByteReader reader(body);
  for (std::uint32_t index = 0; index < head.record_count; ++index) {
    const auto kind = static_cast<RecordKind>(reader.fixed<std::uint8_t>());
    const Bytes payload = reader.sized();
    if (!reader.ok()) return false;
    if (!visit(head.first + index, kind, payload)) return true;
  }
  return reader.at_end();
}

}  // namespace tidemark::log
