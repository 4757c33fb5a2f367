#pragma once

#include <algorithm>
#include <string_view>

namespace tidemark {

inline constexpr char lower_ascii(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

/// True if both are the same text, ASCII letters compared without case, as header names and tokens are.
inline constexpr bool same_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower_ascii(x) == lower_ascii(y); });
}

/// The text without the `blanks` at its ends.
inline constexpr std::string_view stripped(std::string_view text, std::string_view blanks = " \t") noexcept {
  const auto begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

}  // namespace tidemark
