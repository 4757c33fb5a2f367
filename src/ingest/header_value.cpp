#include "header_value.hpp"

#include <array>
#include <cstddef>
#include <span>

#include "tidemark/base/bytes.hpp"

namespace tidemark::ingest {
namespace {

/// Takes the next character off `rest`, which may be a pair of a backslash and a character within quotes.
bool take_character(std::string_view& rest, bool quoted, char& out) noexcept {
  if (quoted && rest.front() == '\\') rest.remove_prefix(1);
  if (rest.empty()) return false;
  out = rest.front();
  rest.remove_prefix(1);
  return true;
}

}  // namespace

bool append_header_text(std::string& out, std::string_view value) {
  const bool quoted = !value.empty() && value.front() == '"';
  if (quoted) {
    if (value.size() < 2 || value.back() != '"') return false;
    value = value.substr(1, value.size() - 2);
  }
  while (!value.empty()) {
    char c = 0;
    if (!take_character(value, quoted, c)) return false;
    if (c == '%') {
      std::array<char, 2> digits{};
      for (char& digit : digits) {
        if (value.empty() || !take_character(value, quoted, digit)) return false;
      }
      std::byte decoded{};
      if (!from_hex({digits.data(), digits.size()}, std::span(&decoded, 1))) return false;
      c = static_cast<char>(decoded);
    }
    out.push_back(c);
  }
  return true;
}

}  // namespace tidemark::ingest
