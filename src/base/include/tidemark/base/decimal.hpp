#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tidemark/base/error.hpp"

namespace tidemark {

/// An exact decimal number with 12 fractional digits in 128 bits; what NUMERIC(38,12) holds: less than 10^26 in
/// magnitude.
class Decimal {
 public:
  constexpr Decimal() = default;
  static constexpr Decimal from_int(std::int64_t whole) noexcept {
    return Decimal(static_cast<__int128>(whole) * kScale);
  }
  static constexpr Decimal from_units(__int128 units) noexcept { return Decimal(units); }

  /// Parses a JSON number (sign, digits, fraction, exponent) of at most 15 integer and 12 fractional digits once
  /// trailing zeros are dropped. Error kInvalidArgument says which bound it breaks. Never rounds.
  static Result<Decimal> parse_value(std::string_view text);

  /// Parses what to_string writes and what databases answer: the whole range, 26 integer and 12 fractional digits.
  static Result<Decimal> parse(std::string_view text);

  /// Adds; nothing if the sum leaves the range of NUMERIC(38,12).
  std::optional<Decimal> plus(Decimal other) const noexcept;

  /// The shortest plain form: no exponent, no trailing zeros, no point when whole, "-0" never.
  std::string to_string() const;
  void append_to(std::string& out) const;

  /// True when the number is whole and fits 64 bits; `as_int64` then returns it.
  bool is_int64() const noexcept;
  std::int64_t as_int64() const noexcept;

  /// The number in units of 10^-12.
  constexpr __int128 units() const noexcept { return units_; }

  friend constexpr auto operator<=>(Decimal, Decimal) = default;

  static constexpr std::int64_t kScale = 1'000'000'000'000;

 private:
  constexpr explicit Decimal(__int128 units) : units_(units) {}
  __int128 units_ = 0;
};

/// Divides exactly-summed `sum` by `count` (> 0), rounded half away from zero at the twelfth digit: AVG.
Decimal average(Decimal sum, std::int64_t count) noexcept;

}  // namespace tidemark
