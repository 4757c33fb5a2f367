#pragma once

#include <string_view>

#include "tidemark/base/decimal.hpp"

namespace tidemark::meters {

/// Reads the token of a JSON number: at most 15 integer and 12 fractional digits, exact.
Result<Decimal> parse_number(std::string_view token);

/// Reads a number that was sent as a string. Beyond JSON's form it takes a leading `+`, leading zeros, and a point with
/// digits on one side only (`+007.50`, `.5`, `5.`). Not: blanks, NaN, infinity, hexadecimal.
Result<Decimal> parse_number_text(std::string_view text);

}  // namespace tidemark::meters
