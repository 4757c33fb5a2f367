#include "tidemark/arrivals/codec.hpp"

#include "tidemark/base/assert.hpp"

namespace tidemark::arrivals {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint8_t kHasTime = 1;
constexpr std::uint8_t kHasIdentity = 1;
constexpr std::size_t kIdentityBytes = 24;
constexpr std::size_t kIncrementBytes = 24;  // Key and value.

void append_sized(std::string& out, std::string_view text) {
  append_varint(out, text.size());
  out.append(text);
}

void append_identity(std::string& out, const Identity& identity) {
  append_le(out, identity.fingerprint.high);
  append_le(out, identity.fingerprint.low);
  append_le(out, identity.content);
}

Identity read_identity(ByteReader& reader) {
  Identity identity;
  identity.fingerprint.high = reader.fixed<std::uint64_t>();
  identity.fingerprint.low = reader.fixed<std::uint64_t>();
  identity.content = reader.fixed<std::uint64_t>();
  return identity;
}

}  // namespace

void encode_event(std::string& out, const Event& event) {
  const std::size_t begin = out.size();
  append_le(out, std::uint32_t{0});
  append_le(out, static_cast<std::uint8_t>(event.time ? kHasTime : 0));
  append_identity(out, event.identity);
  if (event.time) append_le(out, to_micros(*event.time));
  for (std::string_view text : {event.id, event.source, event.type, event.subject, event.data, event.extensions}) {
    append_sized(out, text);
  }
  store_le(out.data() + begin, static_cast<std::uint32_t>(out.size() - begin - sizeof(std::uint32_t)));
}

void encode_increment(std::string& out, const Increment& increment) {
  append_le(out, static_cast<std::uint8_t>(increment.identity ? kHasIdentity : 0));
  out.append(as_text(increment.key));
  append_le(out, increment.value);
  if (increment.identity) append_identity(out, *increment.identity);
}

void encode_record_head(std::string& out, std::string_view tenant, std::uint32_t items) {
  append_le(out, kVersion);
  append_sized(out, tenant);
  append_le(out, items);
}

RecordReader::RecordReader(log::RecordKind kind, Bytes payload) : reader_(payload), kind_(kind) {
  if (kind != log::RecordKind::kEvents && kind != log::RecordKind::kIncrements) return;  // Holds no items.
  if (reader_.fixed<std::uint8_t>() != kVersion) reader_.fail();
  tenant_ = reader_.sized_text();
  count_ = reader_.fixed<std::uint32_t>();
  if (!reader_.ok()) count_ = 0;
}

bool RecordReader::next(Event& event) {
  TIDEMARK_ASSERT(kind_ == log::RecordKind::kEvents);
  if (read_ == count_) return false;
  ByteReader body(reader_.take(reader_.fixed<std::uint32_t>()));
  const auto flags = body.fixed<std::uint8_t>();
  event.identity = read_identity(body);
  event.time.reset();
  if ((flags & kHasTime) != 0) event.time = from_micros(body.fixed<std::int64_t>());
  for (std::string_view* text :
       {&event.id, &event.source, &event.type, &event.subject, &event.data, &event.extensions}) {
    *text = body.sized_text();
  }
  if (!reader_.ok() || !body.ok()) {
    reader_.fail();
    return false;
  }
  ++read_;
  return true;
}

bool RecordReader::next(Increment& increment) {
  TIDEMARK_ASSERT(kind_ == log::RecordKind::kIncrements);
  if (read_ == count_) return false;
  const auto flags = reader_.fixed<std::uint8_t>();
  const Bytes key = reader_.take(increment.key.size());
  increment.value = reader_.fixed<std::int64_t>();
  increment.identity.reset();
  if ((flags & kHasIdentity) != 0) increment.identity = read_identity(reader_);
  if (!reader_.ok()) return false;
  std::memcpy(increment.key.data(), key.data(), key.size());
  ++read_;
  return true;
}

bool RecordReader::skip(std::uint32_t items) {
  for (; items > 0; --items) {
    if (read_ == count_) return false;
    if (kind_ == log::RecordKind::kEvents) {
      reader_.take(reader_.fixed<std::uint32_t>());
    } else {
      const auto flags = reader_.fixed<std::uint8_t>();
      reader_.take(kIncrementBytes + ((flags & kHasIdentity) != 0 ? kIdentityBytes : 0));
    }
    if (!reader_.ok()) return false;
    ++read_;
  }
  return true;
}

std::string uuid_to_text(const std::array<std::byte, 16>& uuid) {
  std::string text = to_hex(uuid);
  for (const std::size_t dash : {8u, 13u, 18u, 23u}) text.insert(dash, 1, '-');
  return text;
}

std::optional<std::array<std::byte, 16>> uuid_from_text(std::string_view text) noexcept {
  if (text.size() != 36) return std::nullopt;
  std::array<char, 32> digits{};
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (text[i] == '-')) return std::nullopt;
    if (!dash) digits[count++] = text[i];
  }
  std::array<std::byte, 16> uuid{};
  if (!from_hex({digits.data(), digits.size()}, uuid)) return std::nullopt;
  return uuid;
}

}  // namespace tidemark::arrivals
