#pragma once

#include <string>
#include <string_view>

namespace tidemark {

/// Appends `text` as a JSON string with its quotes. Quotes, backslashes and control characters are escaped; the rest is
/// copied, so the result is well-formed if `text` is UTF-8.
void append_json_string(std::string& out, std::string_view text);

}  // namespace tidemark
