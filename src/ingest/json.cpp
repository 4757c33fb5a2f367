#include "json.hpp"

#include <array>
#include <cstring>
#include <utility>

#include "tidemark/base/bytes.hpp"

namespace tidemark::ingest {
namespace {

constexpr std::size_t kShownNameBytes = 64;

bool has_escape(std::string_view text) noexcept {
  return !text.empty() && std::memchr(text.data(), '\\', text.size()) != nullptr;
}

/// Takes digits off the front; false if there are none.
bool take_digits(std::string_view& rest) noexcept {
  std::size_t count = 0;
  while (count < rest.size() && rest[count] >= '0' && rest[count] <= '9') ++count;
  rest.remove_prefix(count);
  return count > 0;
}

bool take(std::string_view& rest, char wanted) noexcept {
  if (rest.empty() || rest.front() != wanted) return false;
  rest.remove_prefix(1);
  return true;
}

/// Whether every backslash begins an escape of RFC 8259, though it may stand for half of a surrogate pair.
bool has_valid_escapes(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') continue;
    if (++i == text.size()) return false;
    if (text[i] == 'u') {
      std::array<std::byte, 2> code{};
      if (!from_hex(text.substr(i + 1, 4), code)) return false;
    } else if (std::string_view("\"\\/bfnrt").find(text[i]) == std::string_view::npos) {
      return false;
    }
  }
  return true;
}

/// Takes what simdjson made of a text with escapes. It refuses a broken escape and half of a surrogate pair alike; the
/// second is JSON, and harms only the event that holds it.
error_code take_unescaped(simdjson::simdjson_result<std::string_view> result, JsonText& out) noexcept {
  if (result.error() == simdjson::STRING_ERROR && has_valid_escapes(out.text)) {
    out.text = {};
    out.storable = false;
    return simdjson::SUCCESS;
  }
  TIDEMARK_JSON_TRY(std::move(result).get(out.text));
  out.storable = is_storable_text(out.text);
  return simdjson::SUCCESS;
}

}  // namespace

std::string_view shown_name(std::string_view name) noexcept {
  if (name.size() <= kShownNameBytes) return name;
  std::size_t size = kShownNameBytes;
  while (size > 0 && (static_cast<unsigned char>(name[size]) & 0xC0) == 0x80) --size;
  return name.substr(0, size);
}

std::string_view trimmed(std::string_view token) noexcept {
  while (!token.empty() &&
         (token.back() == ' ' || token.back() == '\n' || token.back() == '\r' || token.back() == '\t')) {
    token.remove_suffix(1);
  }
  return token;
}

error_code read_text(ondemand::value& value, JsonText& out) noexcept {
  out.written = trimmed(value.raw_json_token());
  if (out.written.size() < 2 || out.written.back() != '"') return simdjson::STRING_ERROR;
  out.text = out.written.substr(1, out.written.size() - 2);
  if (!has_escape(out.text)) {  // The common case needs no copy: control characters and broken UTF-8 are found already.
    out.storable = true;
    return value.get_raw_json_string().error();
  }
  return take_unescaped(value.get_string(), out);
}

error_code read_name(ondemand::field& field, JsonText& out) noexcept {
  const char* const begin = field.key().raw();
  const char* end = begin;
  bool escaped = false;
  for (; *end != '"'; ++end) {  // Ends: a string that isn't closed was refused when the document was opened.
    if (*end == '\\') {
      escaped = true;
      ++end;
    }
  }
  out.written = std::string_view(begin - 1, static_cast<std::size_t>(end - begin) + 2);
  out.text = std::string_view(begin, static_cast<std::size_t>(end - begin));
  out.storable = true;
  return escaped ? take_unescaped(field.unescaped_key(), out) : simdjson::SUCCESS;
}

bool is_number(std::string_view token) noexcept {
  take(token, '-');
  if (!take(token, '0') && !take_digits(token)) return false;
  if (take(token, '.') && !take_digits(token)) return false;
  if (take(token, 'e') || take(token, 'E')) {
    if (!take(token, '+')) take(token, '-');
    if (!take_digits(token)) return false;
  }
  return token.empty();
}

bool is_literal(std::string_view token) noexcept {
  return token == "true" || token == "false" || token == "null";
}

}  // namespace tidemark::ingest
