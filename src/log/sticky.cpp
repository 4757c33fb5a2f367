#include "sticky.hpp"

#include <algorithm>

namespace tidemark::log {
namespace {

constexpr std::size_t kEntryBytesMax = sizeof(Offset) + 1 + 10;  // Offset, kind, varint length.

}  // namespace

void Sticky::set(RecordKind kind, Offset offset, Bytes payload) {
  payloads_[kind] = as_text(payload);
  offsets_[kind] = offset;
}

Offset Sticky::end() const noexcept {
  Offset end = 0;
  for (const auto& [kind, offset] : offsets_) end = std::max(end, offset + 1);
  return end;
}

void Sticky::append_to(std::string& out) const {
  append_varint(out, payloads_.size());
  for (const auto& [kind, payload] : payloads_) {
    append_le(out, offsets_.at(kind));
    append_le(out, static_cast<std::uint8_t>(kind));
    append_varint(out, payload.size());
    out.append(payload);
  }
}

std::size_t Sticky::encoded_bytes() const noexcept {
  std::size_t bytes = 10;
  for (const auto& [kind, payload] : payloads_) bytes += kEntryBytesMax + payload.size();
  return bytes;
}

std::optional<Sticky> Sticky::parse(ByteReader& in) {
  Sticky sticky;
  const std::uint64_t count = in.varint();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const auto offset = in.fixed<Offset>();
    const auto kind = static_cast<RecordKind>(in.fixed<std::uint8_t>());
    const Bytes payload = in.sized();
    if (!in.ok() || !is_sticky(kind)) return std::nullopt;
    sticky.set(kind, offset, payload);
  }
  if (!in.ok() || sticky.payloads_.size() != count) return std::nullopt;
  return sticky;
}

std::optional<StartId> parse_start(Bytes payload) noexcept {
  StartId id;
  if (payload.size() != id.bytes.size() + sizeof(std::int64_t)) return std::nullopt;
  std::ranges::copy(payload.first(id.bytes.size()), id.bytes.begin());
  return id;
}

std::string encode_start(const StartId& id, Timestamp wall) {
  std::string payload(as_text(id.bytes));
  append_le(payload, to_micros(wall));
  return payload;
}

std::optional<StartMark> start_mark(const Sticky& sticky) noexcept {
  const auto found = sticky.payloads().find(RecordKind::kStart);
  if (found == sticky.payloads().end()) return std::nullopt;
  const auto id = parse_start(as_bytes(found->second));
  if (!id) return std::nullopt;
  return StartMark{sticky.offsets().at(RecordKind::kStart), *id};
}

}  // namespace tidemark::log
