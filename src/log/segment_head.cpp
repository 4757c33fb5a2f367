#include "segment_head.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include "tidemark/base/hash.hpp"

namespace tidemark::log {
namespace {

// Magic, checksum and version keep their places in every version.
constexpr std::string_view kMagic = "tidemlog";
constexpr std::size_t kChecksumAt = 8;
constexpr std::size_t kCheckedFrom = 16;
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeadBytesAt = 20;
constexpr std::int64_t kNoArrival = std::numeric_limits<std::int64_t>::min();
constexpr std::string_view kSuffix = ".log";
constexpr std::size_t kNameDigits = 16;

tl::unexpected<Error> unusable(std::string_view what, const std::string& path) {
  std::string message(what);
  message.append(
      "; restore the file from a backup, or give up its records and all before them by moving it and every segment "
      "with "
      "a smaller name away: ");
  message.append(path);
  return fail(Errc::kCorrupt, std::move(message));
}

void append_starts(std::string& out, const std::vector<StartMark>& starts) {
  append_varint(out, starts.size());
  for (const StartMark& start : starts) {
    append_le(out, start.offset);
    out.append(as_text(start.id.bytes));
  }
}

std::vector<StartMark> read_starts(ByteReader& in) {
  std::vector<StartMark> starts;
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    StartMark& start = starts.emplace_back();
    start.offset = in.fixed<Offset>();
    const Bytes id = in.take(start.id.bytes.size());
    if (in.ok()) std::ranges::copy(id, start.id.bytes.begin());
  }
  return starts;
}

/// Reads what the checksum has already vouched for.
std::optional<SegmentHead> parse(Bytes block) {
  ByteReader in(block.subspan(kCheckedFrom));
  SegmentHead head;
  in.take(4);  // Version, checked by the caller.
  head.head_bytes = in.fixed<std::uint32_t>();
  const Bytes log = in.take(head.space.log.bytes.size());
  if (in.ok()) std::ranges::copy(log, head.space.log.bytes.begin());
  head.space.partition = in.fixed<PartitionId>();
  in.take(4);  // Reserved.
  head.first = in.fixed<Offset>();
  head.space.base = in.fixed<std::uint64_t>();
  head.file_bytes = in.fixed<std::uint64_t>();
  head.previous_end = in.fixed<std::uint64_t>();
  const auto arrival = in.fixed<std::int64_t>();
  if (arrival != kNoArrival) head.previous_arrival = from_micros(arrival);
  auto sticky = Sticky::parse(in);
  head.previous_starts = read_starts(in);
  if (!sticky || !in.ok()) return std::nullopt;
  head.sticky = std::make_shared<const Sticky>(std::move(*sticky));
  return head;
}

Result<std::string> read_block(File& file, std::uint64_t bytes, const std::string& path) {
  std::string block(bytes, '\0');
  TIDEMARK_TRY_ASSIGN(const std::size_t got, file.read_at(0, std::as_writable_bytes(std::span(block))));
  if (got != block.size()) return unusable("the log segment ends within its head", path);
  return block;
}

}  // namespace

std::string encode_segment_head(SegmentHead& head) {
  std::string block(kMagic);
  append_le(block, std::uint64_t{0});  // Checksum, below.
  append_le(block, kVersion);
  append_le(block, std::uint32_t{0});  // Size, below.
  block.append(as_text(head.space.log.bytes));
  append_le(block, head.space.partition);
  append_le(block, std::uint32_t{0});
  append_le(block, head.first);
  append_le(block, head.space.base);
  append_le(block, head.file_bytes);
  append_le(block, head.previous_end);
  append_le(block, head.previous_arrival ? to_micros(*head.previous_arrival) : kNoArrival);
  head.sticky->append_to(block);
  append_starts(block, head.previous_starts);
  block.resize(align_frame(block.size()));
  head.head_bytes = block.size();
  store_le(block.data() + kHeadBytesAt, static_cast<std::uint32_t>(block.size()));
  store_le(block.data() + kChecksumAt, hash64(as_bytes(block).subspan(kCheckedFrom)));
  return block;
}

Result<SegmentHead> read_segment_head(File& file, const std::string& path) {
  TIDEMARK_TRY_ASSIGN(const std::uint64_t file_bytes, file.size());
  if (file_bytes < kSegmentHeadFixedBytes) return unusable("the log segment ends within its head", path);
  TIDEMARK_TRY_ASSIGN(const std::string fixed, read_block(file, kSegmentHeadFixedBytes, path));
  const auto head_bytes = load_le<std::uint32_t>(fixed.data() + kHeadBytesAt);
  if (!fixed.starts_with(kMagic) || head_bytes < kSegmentHeadFixedBytes || head_bytes > file_bytes) {
    return unusable("the head of the log segment is damaged", path);
  }
  TIDEMARK_TRY_ASSIGN(const std::string block, read_block(file, head_bytes, path));
  if (load_le<std::uint64_t>(block.data() + kChecksumAt) != hash64(as_bytes(block).subspan(kCheckedFrom))) {
    return unusable("the head of the log segment is damaged", path);
  }
  if (load_le<std::uint32_t>(block.data() + kCheckedFrom) != kVersion) {
    return fail(Errc::kUnsupported, "the log segment was made by another version; use that version or newer: " + path);
  }
  auto head = parse(as_bytes(block));
  if (!head || !path.ends_with(segment_name(head->first))) {
    return unusable("the head of the log segment is not the one of this file", path);
  }
  if (head->file_bytes != file_bytes) return unusable("the log segment was cut or has grown", path);
  return std::move(*head);
}

std::string segment_name(Offset first) {
  std::array<std::byte, sizeof(Offset)> big_endian;
  store_le(big_endian.data(), __builtin_bswap64(first));
  return to_hex(big_endian).append(kSuffix);
}

std::optional<Offset> parse_segment_name(std::string_view name) noexcept {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  Offset first = 0;
  const char* end = name.data() + kNameDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, first, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return first;
}

}  // namespace tidemark::log
