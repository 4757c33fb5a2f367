#pragma once

#include "tidemark/base/ascii.hpp"

namespace tidemark::net {

/// The value of a hexadecimal digit of either case, or -1.
inline constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = lower_ascii(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace tidemark::net
