#pragma once

#include <simdjson.h>

#include <string_view>

/// What the parsers need beyond simdjson's on-demand interface: texts without copying them, and values checked to the
/// letter of RFC 8259 where on-demand would skip them unread.
namespace tidemark::ingest {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;

/// A JSON string, as written and as meant. Both views live until the document's end.
struct JsonText {
  std::string_view written;  ///< With its quotes.
  std::string_view text;     ///< Unescaped.
  bool storable = true;      ///< No U+0000, no half of a surrogate pair.
};

/// The token without the white space that simdjson leaves behind it.
std::string_view trimmed(std::string_view token) noexcept;

/// The first character of a value, which tells its type: one of `{["tfn-0123456789` in JSON, anything in broken JSON.
inline char first_character(ondemand::value& value) noexcept {
  const std::string_view token = value.raw_json_token();
  return token.empty() ? '\0' : token.front();
}

/// Reads a value whose first character is `"`, and moves past it.
error_code read_text(ondemand::value& value, JsonText& out) noexcept;

/// Reads the name of a member.
error_code read_name(ondemand::field& field, JsonText& out) noexcept;

/// Whether the token is a number, `true`, `false` or `null`, to the letter.
bool is_number(std::string_view token) noexcept;
bool is_literal(std::string_view token) noexcept;

/// What of a member's name goes into an answer: its first 64 bytes, cut at a character's border.
std::string_view shown_name(std::string_view name) noexcept;

/// Whether nothing but white space follows what was read. Only after a whole object or array.
inline bool at_end(ondemand::document& document) noexcept {
  return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
}

}  // namespace tidemark::ingest

/// Returns the error of a simdjson expression from the enclosing function.
#define TIDEMARK_JSON_TRY(expression)                                                          \
  do {                                                                                         \
    if (const ::simdjson::error_code json_error = (expression); json_error) return json_error; \
  } while (false)
