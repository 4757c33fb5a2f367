#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace tidemark {

using Bytes = std::span<const std::byte>;

inline Bytes as_bytes(std::string_view text) noexcept {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(Bytes bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Reads an unsigned or signed integer stored little-endian at `at`, which need not be aligned.
template <class T>
  requires std::is_integral_v<T>
T load_le(const void* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);  // The formats are little-endian and so is every machine we build for.
  return value;
}

/// Writes `value` little-endian at `at`.
template <class T>
  requires std::is_integral_v<T>
void store_le(void* at, T value) noexcept {
  std::memcpy(at, &value, sizeof value);
}

/// Appends `value` little-endian.
template <class T>
  requires std::is_integral_v<T>
void append_le(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Appends an unsigned LEB128 integer: 7 bits a byte, lowest first, 1 to 10 bytes.
void append_varint(std::string& out, std::uint64_t value);

/// Reads forward over bytes that may be hostile. Each read answers nothing once the bytes run out or break their form,
/// and stays failed from then on.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) noexcept : rest_(bytes) {}

  template <class T>
    requires std::is_integral_v<T>
  T fixed() noexcept {
    if (rest_.size() < sizeof(T)) {
      fail();
      return 0;
    }
    T value = load_le<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }
  std::uint64_t varint() noexcept;
  Bytes take(std::uint64_t size) noexcept;
  /// A varint length and that many bytes.
  Bytes sized() noexcept { return take(varint()); }
  std::string_view sized_text() noexcept { return as_text(sized()); }

  bool ok() const noexcept { return ok_; }
  bool at_end() const noexcept { return rest_.empty(); }
  Bytes rest() const noexcept { return rest_; }
  void fail() noexcept {
    ok_ = false;
    rest_ = {};
  }

 private:
  Bytes rest_;
  bool ok_ = true;
};

/// Writes bytes as lower-case hexadecimal.
std::string to_hex(Bytes bytes);
/// Reads hexadecimal of either case into `out`; false unless the text is exactly out.size()*2 digits.
bool from_hex(std::string_view text, std::span<std::byte> out) noexcept;

/// True if `text` is well-formed UTF-8 without U+0000, as every text that we store must be.
bool is_storable_text(std::string_view text) noexcept;

}  // namespace tidemark
