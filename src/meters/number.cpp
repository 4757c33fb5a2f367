#include "number.hpp"

#include <array>
#include <optional>
#include <string>

namespace tidemark::meters {
namespace {

constexpr std::size_t kMaxWhole = 15;
constexpr std::size_t kMaxFraction = 12;
constexpr std::size_t kMaxTextBytes = 400;  // Longer texts aren't numbers that fit anyway.

constexpr auto kPowersOfTen = [] {
  std::array<std::int64_t, kMaxFraction + 1> powers{};
  powers[0] = 1;
  for (std::size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}();

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

/// Reads `-?digits(.digits)?` within the bounds: all but a few numbers. Nothing for the rest, valid or not.
std::optional<Decimal> parse_plain(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  const char* const whole_begin = at;
  std::int64_t whole = 0;
  for (; at != end && is_digit(*at); ++at) {
    if (at - whole_begin == kMaxWhole) return std::nullopt;
    whole = whole * 10 + (*at - '0');
  }
  const auto whole_digits = at - whole_begin;
  if (whole_digits == 0 || (whole_digits > 1 && *whole_begin == '0')) return std::nullopt;
  std::int64_t fraction = 0;
  std::size_t fraction_digits = 0;
  if (at != end && *at == '.') {
    for (++at; at != end && is_digit(*at); ++at) {
      if (++fraction_digits > kMaxFraction) return std::nullopt;
      fraction = fraction * 10 + (*at - '0');
    }
    if (fraction_digits == 0) return std::nullopt;
  }
  if (at != end) return std::nullopt;
  const __int128 units =
      static_cast<__int128>(whole) * Decimal::kScale + fraction * kPowersOfTen[kMaxFraction - fraction_digits];
  return Decimal::from_units(negative ? -units : units);
}

/// Rewrites a lenient form to JSON's: no plus, no leading zeros, digits on both sides of a point.
std::string to_json_number(std::string_view text) {
  std::string number;
  if (text.starts_with("+-")) return number;
  if (text.starts_with('+') || text.starts_with('-')) {
    if (text.front() == '-') number += '-';
    text.remove_prefix(1);
  }
  const bool has_whole = !text.empty() && is_digit(text.front());
  while (text.size() > 1 && text.front() == '0' && is_digit(text[1])) text.remove_prefix(1);
  if (!has_whole && text.size() > 1 && text.front() == '.' && is_digit(text[1])) number += '0';
  const std::size_t point = text.find('.');
  const bool bare_point = has_whole && point != std::string_view::npos &&
                          (point + 1 == text.size() || text[point + 1] == 'e' || text[point + 1] == 'E');
  if (!bare_point) return number.append(text);
  return number.append(text.substr(0, point)).append(text.substr(point + 1));
}

}  // namespace

Result<Decimal> parse_number(std::string_view token) {
  if (const auto plain = parse_plain(token)) return *plain;
  return Decimal::parse_value(token);
}

Result<Decimal> parse_number_text(std::string_view text) {
  if (const auto plain = parse_plain(text)) return *plain;
  if (text.size() > kMaxTextBytes) return fail(Errc::kInvalidArgument, "not a decimal number: longer than 400 bytes");
  return Decimal::parse_value(to_json_number(text));
}

}  // namespace tidemark::meters
