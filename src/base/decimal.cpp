#include "tidemark/base/decimal.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "tidemark/base/assert.hpp"

namespace tidemark {
namespace {

using Unsigned128 = unsigned __int128;

constexpr int kFractionDigits = 12;
constexpr int kValueWholeDigits = 15;
constexpr int kMaxWholeDigits = 26;
constexpr std::int64_t kExponentCap = 1'000'000'000'000;  // Beyond any text's length, so digits can't balance it.

constexpr __int128 power_of_ten(int exponent) {
  __int128 power = 1;
  while (exponent-- > 0) power *= 10;
  return power;
}

constexpr __int128 kLimit = power_of_ten(kMaxWholeDigits + kFractionDigits);

/// A JSON number taken apart: (-1)^negative * 0.digits... as written, times 10^exponent.
struct NumberText {
  bool negative = false;
  std::string_view whole;
  std::string_view fraction;
  std::int64_t exponent = 0;
};

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

std::string_view take_digits(std::string_view& text) noexcept {
  const auto end = std::ranges::find_if_not(text, is_digit);
  const std::string_view digits = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(digits.size());
  return digits;
}

bool take(std::string_view& text, char wanted) noexcept {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

/// Reads `[+-]digits`, held within ±kExponentCap.
std::optional<std::int64_t> take_exponent(std::string_view& text) noexcept {
  const bool negative = take(text, '-');
  if (!negative) take(text, '+');
  const std::string_view digits = take_digits(text);
  if (digits.empty()) return std::nullopt;
  std::int64_t value = 0;
  for (const char digit : digits) value = std::min(value * 10 + (digit - '0'), kExponentCap);
  return negative ? -value : value;
}

/// Splits `text` by the grammar of JSON numbers (RFC 8259, section 6).
std::optional<NumberText> split(std::string_view text) noexcept {
  NumberText number;
  number.negative = take(text, '-');
  number.whole = take_digits(text);
  if (number.whole.empty() || (number.whole.size() > 1 && number.whole.front() == '0')) return std::nullopt;
  if (take(text, '.')) {
    number.fraction = take_digits(text);
    if (number.fraction.empty()) return std::nullopt;
  }
  if (take(text, 'e') || take(text, 'E')) {
    const auto exponent = take_exponent(text);
    if (!exponent) return std::nullopt;
    number.exponent = *exponent;
  }
  if (!text.empty()) return std::nullopt;
  return number;
}

/// Digits without their zeros at both ends: the number is `digits` * 10^exponent. Both parts are views on one text.
struct Significant {
  std::string_view whole;
  std::string_view fraction;
  std::int64_t exponent = 0;

  std::int64_t count() const noexcept { return static_cast<std::int64_t>(whole.size() + fraction.size()); }
};

void drop_trailing_zeros(std::string_view& digits) noexcept {
  digits = digits.substr(0, digits.find_last_not_of('0') + 1);
}
void drop_leading_zeros(std::string_view& digits) noexcept {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
}

Significant significant_digits(const NumberText& number) noexcept {
  Significant result{number.whole, number.fraction, number.exponent};
  drop_trailing_zeros(result.fraction);
  drop_leading_zeros(result.whole);
  result.exponent -= static_cast<std::int64_t>(result.fraction.size());
  if (result.whole.empty()) drop_leading_zeros(result.fraction);
  if (result.fraction.empty()) {
    const std::size_t written = result.whole.size();
    drop_trailing_zeros(result.whole);
    result.exponent += static_cast<std::int64_t>(written - result.whole.size());
  }
  return result;
}

__int128 units_of(const Significant& digits) noexcept {
  __int128 units = 0;
  for (const char digit : digits.whole) units = units * 10 + (digit - '0');
  for (const char digit : digits.fraction) units = units * 10 + (digit - '0');
  return units * power_of_ten(static_cast<int>(digits.exponent) + kFractionDigits);
}

Result<Decimal> parse_bounded(std::string_view text, int whole_digits) {
  const auto number = split(text);
  if (!number) {
    return fail(Errc::kInvalidArgument,
                "not a decimal number; write digits with an optional sign, fraction and exponent");
  }
  const Significant digits = significant_digits(*number);
  if (digits.count() == 0) return Decimal();
  if (digits.count() + digits.exponent > whole_digits) {
    return fail(Errc::kInvalidArgument, "number has more integer digits than " + std::to_string(whole_digits));
  }
  if (-digits.exponent > kFractionDigits) {
    return fail(Errc::kInvalidArgument, "number has more fractional digits than " + std::to_string(kFractionDigits));
  }
  const __int128 units = units_of(digits);
  return Decimal::from_units(number->negative ? -units : units);
}

void append_digits(std::string& out, std::uint64_t value, std::size_t width) {
  std::array<char, 20> buffer;
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  TIDEMARK_ASSERT(error == std::errc());
  const auto length = static_cast<std::size_t>(end - buffer.data());
  if (length < width) out.append(width - length, '0');
  out.append(buffer.data(), length);
}

}  // namespace

Result<Decimal> Decimal::parse_value(std::string_view text) {
  return parse_bounded(text, kValueWholeDigits);
}

Result<Decimal> Decimal::parse(std::string_view text) {
  return parse_bounded(text, kMaxWholeDigits);
}

std::optional<Decimal> Decimal::plus(Decimal other) const noexcept {
  __int128 sum = 0;
  if (__builtin_add_overflow(units_, other.units_, &sum) || sum >= kLimit || sum <= -kLimit) return std::nullopt;
  return Decimal(sum);
}

std::string Decimal::to_string() const {
  std::string out;
  append_to(out);
  return out;
}

void Decimal::append_to(std::string& out) const {
  constexpr std::uint64_t kWholeSplit = 1'000'000'000'000'000;  // 128-bit division is slow: two 64-bit halves.
  const Unsigned128 magnitude = units_ < 0 ? -static_cast<Unsigned128>(units_) : static_cast<Unsigned128>(units_);
  const Unsigned128 whole = magnitude / kScale;
  const auto fraction = static_cast<std::uint64_t>(magnitude % kScale);
  const auto high = static_cast<std::uint64_t>(whole / kWholeSplit);
  const auto low = static_cast<std::uint64_t>(whole % kWholeSplit);
  if (units_ < 0) out.push_back('-');
  if (high != 0) append_digits(out, high, 1);
  append_digits(out, low, high != 0 ? 15 : 1);
  if (fraction == 0) return;
  out.push_back('.');
  append_digits(out, fraction, kFractionDigits);
  out.erase(out.find_last_not_of('0') + 1);
}

bool Decimal::is_int64() const noexcept {
  const __int128 whole = units_ / kScale;
  return units_ % kScale == 0 && whole >= std::numeric_limits<std::int64_t>::min() &&
         whole <= std::numeric_limits<std::int64_t>::max();
}

std::int64_t Decimal::as_int64() const noexcept {
  TIDEMARK_ASSERT(is_int64());
  return static_cast<std::int64_t>(units_ / kScale);
}

Decimal average(Decimal sum, std::int64_t count) noexcept {
  TIDEMARK_ASSERT(count > 0);
  const __int128 quotient = sum.units() / count;
  const __int128 remainder = sum.units() % count;
  const __int128 doubled = 2 * (remainder < 0 ? -remainder : remainder);
  const int away_from_zero = doubled < count ? 0 : (sum.units() < 0 ? -1 : 1);
  return Decimal::from_units(quotient + away_from_zero);
}

}  // namespace tidemark
