#include "ascii.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::net {
namespace {

// Decodes %XX and `+`; a percent sign that begins no escape stays as it is.
void decode(std::string_view raw, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] == '%' && i + 2 < raw.size() && hex_digit(raw[i + 1]) >= 0 && hex_digit(raw[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(raw[i + 1]) << 4 | hex_digit(raw[i + 2]));
      i += 2;
    } else {
      out += raw[i] == '+' ? ' ' : raw[i];
    }
  }
}

}  // namespace

std::string_view Request::header(std::string_view name) const noexcept {
  for (const auto& [sent, value] : headers) {
    if (same_ignoring_case(sent, name)) return value;
  }
  return {};
}

bool Request::query_parameter(std::string_view name, std::string& value) const {
  std::string decoded_name;
  for (std::string_view rest = query; !rest.empty();) {
    const auto end = rest.find('&');
    const std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    const auto equals = pair.find('=');
    decode(pair.substr(0, equals), decoded_name);
    if (decoded_name != name) continue;
    decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), value);
    return true;
  }
  return false;
}

}  // namespace tidemark::net
