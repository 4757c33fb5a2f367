#include "media_type.hpp"

#include <algorithm>

namespace tidemark::ingest {
namespace {

char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

std::string_view stripped(std::string_view text) noexcept {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

bool same_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool is_media_type(std::string_view value, std::string_view expected) noexcept {
  return same_ignoring_case(stripped(value.substr(0, value.find(';'))), expected);
}

}  // namespace tidemark::ingest
