#include "encoding.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "tidemark/base/bytes.hpp"

namespace tidemark::sql::postgres {
namespace {

/// From 1970-01-01, where our times begin, to 2000-01-01, where PostgreSQL's do.
constexpr std::int64_t kEpochShiftMicros = 946'684'800'000'000;

constexpr int kDigitBase = 10'000;  // NUMERIC travels in digits of this base,
constexpr int kFractionDigits = 3;  // three of which are our 12 decimals,
constexpr int kMaxDigits = 10;      // and ten hold the 38 decimal digits.
constexpr std::uint16_t kNegative = 0x4000;

/// 10^38: one more than the greatest number of units in NUMERIC(38,12).
constexpr unsigned __int128 kUnitsEnd =
    static_cast<unsigned __int128>(10'000'000'000'000'000'000ULL) * 10'000'000'000'000'000'000ULL;

template <class T>
void append_be(std::string& out, T value) {
  std::array<char, sizeof(T)> bytes;
  auto rest = static_cast<std::make_unsigned_t<T>>(value);
  for (std::size_t i = sizeof(T); i-- > 0;) {
    bytes[i] = static_cast<char>(rest & 0xff);
    rest = static_cast<std::make_unsigned_t<T>>(static_cast<std::uint64_t>(rest) >> 8);
  }
  out.append(bytes.data(), bytes.size());
}

template <class T>
T load_be(std::string_view bytes, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return static_cast<T>(value);
}

template <class T>
void store_be(std::string& out, std::size_t at, T value) {
  std::string bytes;
  append_be(bytes, value);
  out.replace(at, bytes.size(), bytes);
}

void append_numeric(std::string& out, Decimal decimal) {
  const bool negative = decimal.units() < 0;
  auto rest = static_cast<unsigned __int128>(decimal.units());
  if (negative) rest = -rest;
  std::array<std::int16_t, kMaxDigits> digits{};  // Lowest first.
  int count = 0;
  for (; rest != 0; rest /= kDigitBase)
    digits[static_cast<std::size_t>(count++)] = static_cast<std::int16_t>(rest % kDigitBase);
  int first = 0;  // Trailing zeros aren't sent.
  while (first < count && digits[static_cast<std::size_t>(first)] == 0) ++first;
  append_be(out, static_cast<std::int16_t>(count - first));
  append_be(out, static_cast<std::int16_t>(count == 0 ? 0 : count - 1 - kFractionDigits));
  append_be(out, static_cast<std::uint16_t>(negative ? kNegative : 0));
  append_be(out, std::int16_t{12});
  for (int i = count; i-- > first;) append_be(out, digits[static_cast<std::size_t>(i)]);
}

std::optional<Decimal> read_numeric(std::string_view bytes) {
  if (bytes.size() < 8) return std::nullopt;
  const int count = load_be<std::int16_t>(bytes, 0);
  const int weight = load_be<std::int16_t>(bytes, 2);
  const auto sign = load_be<std::uint16_t>(bytes, 4);
  if ((sign != 0 && sign != kNegative) || bytes.size() != 8 + 2 * static_cast<std::size_t>(count)) return std::nullopt;
  if (weight + kFractionDigits >= kMaxDigits) return std::nullopt;
  unsigned __int128 units = 0;
  for (int power = weight, i = 0; power >= -kFractionDigits; --power, ++i) {
    if (units >= kUnitsEnd / kDigitBase) return std::nullopt;
    units = units * kDigitBase + (i < count ? load_be<std::uint16_t>(bytes, 8 + 2 * static_cast<std::size_t>(i)) : 0U);
  }
  // Below the twelfth decimal only zeros may stand.
  for (int i = std::max(0, weight + kFractionDigits + 1); i < count; ++i) {
    if (load_be<std::uint16_t>(bytes, 8 + 2 * static_cast<std::size_t>(i)) != 0) return std::nullopt;
  }
  const auto value = static_cast<__int128>(units);
  return Decimal::from_units(sign == kNegative ? -value : value);
}

/// Times before what the server can hold become one that it refuses by name.
std::int64_t to_server_micros(Timestamp time) noexcept {
  const std::int64_t micros = to_micros(time);
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min() + kEpochShiftMicros;
  return micros > kLeast ? micros - kEpochShiftMicros : std::numeric_limits<std::int64_t>::min() + 1;
}

bool append_uuid(std::string& out, std::string_view text) {
  if (text.size() != 36) return false;
  std::string digits;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
    if (hyphen != (text[i] == '-')) return false;
    if (!hyphen) digits += text[i];
  }
  std::array<std::byte, 16> bytes;
  if (!from_hex(digits, bytes)) return false;
  out += as_text(bytes);
  return true;
}

std::string uuid_text(std::string_view bytes) {
  std::string text = to_hex(as_bytes(bytes));
  for (const std::size_t at : {8, 13, 18, 23}) text.insert(at, 1, '-');
  return text;
}

tl::unexpected<Error> no_uuid() {
  return fail(Errc::kDataRejected, "a value of a uuid column isn't a canonical UUID");
}

Result<void> append_cell(std::string& out, const Batch& batch, std::size_t row, std::size_t column, Type type) {
  switch (type) {
    case Type::kText:
    case Type::kKeyText:
    case Type::kLongText:
    case Type::kBytes:
      out += batch.text(row, column);
      break;
    case Type::kUuid:
      if (!append_uuid(out, batch.text(row, column))) return no_uuid();
      break;
    case Type::kInt:
      append_be(out, batch.integer(row, column));
      break;
    case Type::kDecimal:
      append_numeric(out, batch.decimal(row, column));
      break;
    case Type::kTime:
      append_be(out, to_server_micros(batch.time(row, column)));
      break;
  }
  return {};
}

Oid element_oid(Type type) noexcept {
  switch (type) {
    case Type::kText:
    case Type::kKeyText:
    case Type::kLongText:
      return Oid::kText;
    case Type::kInt:
      return Oid::kInt8;
    case Type::kDecimal:
      return Oid::kNumeric;
    case Type::kTime:
      return Oid::kTimestamptz;
    case Type::kBytes:
      return Oid::kBytea;
    case Type::kUuid:
      return Oid::kUuid;
  }
  return Oid::kUnknown;
}

std::optional<std::int64_t> read_integer(std::string_view bytes, Oid oid) {
  switch (oid) {
    case Oid::kInt8:
      return load_be<std::int64_t>(bytes, 0);
    case Oid::kInt4:
      return load_be<std::int32_t>(bytes, 0);
    case Oid::kInt2:
      return load_be<std::int16_t>(bytes, 0);
    case Oid::kBool:
      return bytes[0] != 0;
    case Oid::kNumeric: {
      const std::optional<Decimal> decimal = read_numeric(bytes);
      if (!decimal || !decimal->is_int64()) return std::nullopt;
      return decimal->as_int64();
    }
    default:
      return std::nullopt;
  }
}

bool is_text(Oid oid) noexcept {
  return oid == Oid::kText || oid == Oid::kVarchar || oid == Oid::kBpchar || oid == Oid::kName || oid == Oid::kUnknown;
}

std::optional<Value> convert(std::string_view bytes, Oid oid, Type type) {
  switch (type) {
    case Type::kInt:
      if (const auto integer = read_integer(bytes, oid)) return Value(*integer);
      return std::nullopt;
    case Type::kDecimal: {
      if (oid == Oid::kNumeric) {
        const std::optional<Decimal> decimal = read_numeric(bytes);
        return decimal ? std::optional<Value>(*decimal) : std::nullopt;
      }
      const auto integer = read_integer(bytes, oid);
      return integer ? std::optional<Value>(Decimal::from_int(*integer)) : std::nullopt;
    }
    case Type::kTime:
      if (oid != Oid::kTimestamptz) return std::nullopt;
      return Value(from_micros(load_be<std::int64_t>(bytes, 0) + kEpochShiftMicros));
    case Type::kBytes:
      if (oid != Oid::kBytea) return std::nullopt;
      return Value(std::string(bytes));
    case Type::kText:
    case Type::kKeyText:
    case Type::kLongText:
    case Type::kUuid:
      if (oid == Oid::kUuid && bytes.size() == 16) return Value(uuid_text(bytes));
      return is_text(oid) ? std::optional<Value>(std::string(bytes)) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::string_view array_element_name(Type type) noexcept {
  switch (element_oid(type)) {
    case Oid::kInt8:
      return "bigint";
    case Oid::kNumeric:
      return "numeric";
    case Oid::kTimestamptz:
      return "timestamptz";
    case Oid::kBytea:
      return "bytea";
    case Oid::kUuid:
      return "uuid";
    default:
      return "text";
  }
}

Result<void> append_value(std::string& out, Oid oid, const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    append_be(out, *integer);
  } else if (const auto* decimal = std::get_if<Decimal>(&value)) {
    append_numeric(out, *decimal);
  } else if (const auto* time = std::get_if<Timestamp>(&value)) {
    append_be(out, to_server_micros(*time));
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    if (oid != Oid::kUuid) {
      out += *text;
    } else if (!append_uuid(out, *text)) {
      return no_uuid();
    }
  }
  return {};
}

Result<void> append_array(std::string& out, const Batch& batch, std::size_t column, Type type, std::size_t begin,
                          std::size_t end) {
  append_be(out, std::int32_t{1});  // Dimensions.
  const std::size_t has_null_at = out.size();
  append_be(out, std::int32_t{0});
  append_be(out, static_cast<std::uint32_t>(element_oid(type)));
  append_be(out, static_cast<std::int32_t>(end - begin));
  append_be(out, std::int32_t{1});  // Lower bound.
  bool has_null = false;
  for (std::size_t row = begin; row < end; ++row) {
    const std::size_t length_at = out.size();
    append_be(out, std::int32_t{-1});
    if (batch.is_null(row, column)) {
      has_null = true;
      continue;
    }
    TIDEMARK_TRY(append_cell(out, batch, row, column, type));
    store_be(out, length_at, static_cast<std::int32_t>(out.size() - length_at - 4));
  }
  if (has_null) store_be(out, has_null_at, std::int32_t{1});
  return {};
}

Result<Value> read_value(std::string_view bytes, Oid oid, Type type) {
  if (auto value = convert(bytes, oid, type)) return std::move(*value);
  return fail(Errc::kInternal, "a result column of PostgreSQL isn't of the type that was asked for: type " +
                                   std::to_string(static_cast<std::uint32_t>(oid)));
}

}  // namespace tidemark::sql::postgres
