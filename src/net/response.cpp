#include "response.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>

namespace tidemark::net {
namespace {

constexpr std::string_view kServer = "\r\nServer: tidemark\r\nDate: ";

// Everything behind the date of a preformatted response: [connection][none, empty, json].
enum class Rest : std::uint8_t { kNoContent, kEmpty, kJsonObject, kJsonHead };
constexpr std::string_view kPreformatted[3][4] = {
    {"\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n", "\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
     "\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"},
    {"\r\nConnection: keep-alive\r\n\r\n", "\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
     "\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
     "\r\nConnection: keep-alive\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"},
    {"\r\nConnection: close\r\n\r\n", "\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
     "\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
     "\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"},
};

struct Reason {
  int status;
  std::string_view phrase;
};
constexpr auto kReasons = std::to_array<Reason>({
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
});

void append_number(std::string& out, std::size_t number) {
  std::array<char, 20> digits;
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number);
  out.append(digits.data(), end);
}

void append_status_and_date(std::string& out, int status, const HttpDate& date) {
  if (status == 200) {
    out += "HTTP/1.1 200 OK\r\nServer: tidemark\r\nDate: ";
  } else {
    out += "HTTP/1.1 ";
    append_number(out, static_cast<std::size_t>(status));
    out += ' ';
    out += reason_phrase(status);
    out += kServer;
  }
  out += date.text();
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out += "\r\n";
  out += name;
  out += ": ";
  for (const char c : value) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
}

}  // namespace

void HttpDate::set(std::time_t now) {
  if (now == second_) return;
  second_ = now;
  static constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 64> text;  // Not strftime: day and month names must not follow the locale.
  std::snprintf(text.data(), text.size(), "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", kDays.data() + 3 * utc.tm_wday,
                utc.tm_mday, kMonths.data() + 3 * utc.tm_mon, utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
  std::copy_n(text.begin(), text_.size(), text_.begin());
}

std::string_view reason_phrase(int status) noexcept {
  const auto* found = std::ranges::find(kReasons, status, &Reason::status);
  return found == kReasons.end() ? "Unknown" : found->phrase;
}

void append_preformatted(std::string& out, int status, bool json_object, bool head_only, ConnectionHeader connection,
                         const HttpDate& date) {
  append_status_and_date(out, status, date);
  Rest rest = Rest::kEmpty;
  if (is_bodiless(status)) {
    rest = Rest::kNoContent;
  } else if (json_object) {
    rest = head_only ? Rest::kJsonHead : Rest::kJsonObject;
  }
  out += kPreformatted[static_cast<std::size_t>(connection)][static_cast<std::size_t>(rest)];
}

void append_head(std::string& out, const Response& response, std::size_t body_size, std::string_view request_id,
                 ConnectionHeader connection, const HttpDate& date) {
  append_status_and_date(out, response.status, date);
  if (connection != ConnectionHeader::kNone) {
    append_field(out, "Connection", connection == ConnectionHeader::kClose ? "close" : "keep-alive");
  }
  if (!response.content_type.empty()) append_field(out, "Content-Type", response.content_type);
  if (!request_id.empty()) append_field(out, "X-Request-Id", request_id);
  for (const auto& [name, value] : response.headers) append_field(out, name, value);
  if (!is_bodiless(response.status)) {
    out += "\r\nContent-Length: ";
    append_number(out, body_size);
  }
  out += "\r\n\r\n";
}

}  // namespace tidemark::net
