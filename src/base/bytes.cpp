#include "tidemark/base/bytes.hpp"

namespace tidemark {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

/// The value of a hexadecimal digit, or 16.
unsigned hex_value(char digit) noexcept {
  if (digit >= '0' && digit <= '9') return static_cast<unsigned>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<unsigned>(digit - 'a') + 10;
  if (digit >= 'A' && digit <= 'F') return static_cast<unsigned>(digit - 'A') + 10;
  return 16;
}

bool is_continuation(unsigned char byte) noexcept {
  return (byte & 0xC0U) == 0x80U;
}

/// The length of the well-formed UTF-8 sequence of two or more bytes that `text` starts with, or 0
/// (Unicode 15, table 3-7).
std::size_t multibyte_length(std::string_view text) noexcept {
  const auto at = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = at(0);
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(at(i))) return 0;
  }
  const unsigned char second = at(1);
  const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
  const bool surrogate = lead == 0xED && second > 0x9F;
  const bool past_the_last = lead == 0xF4 && second > 0x8F;
  return overlong || surrogate || past_the_last ? 0 : length;
}

/// True if the eight bytes at `at` are all in 0x01..0x7F.
bool is_plain_word(const char* at) noexcept {
  constexpr std::uint64_t kHighBits = 0x8080808080808080U;
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  const auto word = load_le<std::uint64_t>(at);
  return ((word | (word - kOnes)) & kHighBits) == 0;
}

}  // namespace

void append_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80U));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

std::uint64_t ByteReader::varint() noexcept {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = std::to_integer<std::uint64_t>(rest_.front());
    rest_ = rest_.subspan(1);
    if (shift == 63 && byte > 1) break;
    value |= (byte & 0x7FU) << shift;
    if (byte < 0x80) return value;
  }
  fail();
  return 0;
}

Bytes ByteReader::take(std::uint64_t size) noexcept {
  if (size > rest_.size()) {
    fail();
    return {};
  }
  const Bytes taken = rest_.first(size);
  rest_ = rest_.subspan(size);
  return taken;
}

std::string to_hex(Bytes bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    const auto value = std::to_integer<unsigned>(byte);
    out.push_back(kHexDigits[value >> 4U]);
    out.push_back(kHexDigits[value & 0xFU]);
  }
  return out;
}

bool from_hex(std::string_view text, std::span<std::byte> out) noexcept {
  if (text.size() != out.size() * 2) return false;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const unsigned high = hex_value(text[2 * i]);
    const unsigned low = hex_value(text[2 * i + 1]);
    if ((high | low) > 15) return false;
    out[i] = static_cast<std::byte>(high << 4U | low);
  }
  return true;
}

bool is_storable_text(std::string_view text) noexcept {
  while (!text.empty()) {
    if (text.size() >= 8 && is_plain_word(text.data())) {
      text.remove_prefix(8);
      continue;
    }
    const auto lead = static_cast<unsigned char>(text.front());
    const std::size_t length = lead < 0x80 ? (lead == 0 ? 0 : 1) : multibyte_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace tidemark
