#include "frame.hpp"

#include <algorithm>
#include <array>

#include "tidemark/base/assert.hpp"
#include "tidemark/base/hash.hpp"

namespace tidemark::log {
namespace {

constexpr std::size_t kHeadChecksumAt = kFrameHeadBytes - sizeof(std::uint64_t);

}  // namespace

std::uint64_t FrameSpace::seed(std::uint64_t at, Offset first) const noexcept {
  std::array<std::byte, 36> place;
  std::ranges::copy(log.bytes, place.begin());
  store_le(&place[16], partition);
  store_le(&place[20], base + at);
  store_le(&place[28], first);
  return hash64(place);
}

void seal_frame(std::span<std::byte> frame, FrameHead head, const FrameSpace& space, std::uint64_t at) noexcept {
  TIDEMARK_ASSERT(frame.size() == head.frame_bytes());
  const std::uint64_t seed = space.seed(at, head.first);
  head.body_checksum = hash64(frame.subspan(kFrameHeadBytes), seed);
  std::byte* out = frame.data();
  store_le(out, kFrameMagic);
  store_le(out + 4, head.body_bytes);
  store_le(out + 8, head.first);
  store_le(out + 16, head.record_count);
  store_le(out + 20, head.flags);
  store_le(out + 24, to_micros(head.arrival));
  store_le(out + 32, head.synced_end);
  store_le(out + 40, head.sticky_end);
  store_le(out + 48, head.body_checksum);
  store_le(out + kHeadChecksumAt, hash64(frame.first(kHeadChecksumAt), seed));
}

std::optional<FrameHead> read_frame_head(Bytes bytes, const FrameSpace& space, std::uint64_t at,
                                         std::uint64_t file_bytes) noexcept {
  if (bytes.size() < kFrameHeadBytes || load_le<std::uint32_t>(bytes.data()) != kFrameMagic) return std::nullopt;
  const std::byte* in = bytes.data();
  FrameHead head;
  head.first = load_le<std::uint64_t>(in + 8);
  head.seed = space.seed(at, head.first);
  if (hash64(bytes.first(kHeadChecksumAt), head.seed) != load_le<std::uint64_t>(in + kHeadChecksumAt)) {
    return std::nullopt;
  }
  head.body_bytes = load_le<std::uint32_t>(in + 4);
  head.record_count = load_le<std::uint32_t>(in + 16);
  head.flags = load_le<std::uint32_t>(in + 20);
  head.arrival = from_micros(load_le<std::int64_t>(in + 24));
  head.synced_end = load_le<std::uint64_t>(in + 32);
  head.sticky_end = load_le<std::uint64_t>(in + 40);
  head.body_checksum = load_le<std::uint64_t>(in + 48);
  if (at > file_bytes || head.frame_bytes() > file_bytes - at) return std::nullopt;
  return head;
}

bool body_is_whole(const FrameHead& head, Bytes frame) noexcept {
  return frame.size() == head.frame_bytes() && hash64(frame.subspan(kFrameHeadBytes), head.seed) == head.body_checksum;
}

}  // namespace tidemark::log
