#pragma once

#include <array>
#include <ctime>
#include <string>
#include <string_view>

#include "tidemark/net/http_server.hpp"

namespace tidemark::net {

/// The `Date` header's value, formatted once a second instead of once a response.
class HttpDate {
 public:
  explicit HttpDate(std::time_t now) { set(now); }
  /// Formats `now` unless that second is there already.
  void set(std::time_t now);
  std::string_view text() const noexcept { return {text_.data(), text_.size()}; }

 private:
  std::time_t second_ = -1;
  std::array<char, 29> text_{};
};

/// What a response says about its connection: nothing (HTTP/1.1 keeps it), `keep-alive` (HTTP/1.0), or `close`.
enum class ConnectionHeader : std::uint8_t { kNone, kKeepAlive, kClose };

/// The reason phrase of `status`, as in the IANA registry; `Unknown` for others than we use.
std::string_view reason_phrase(int status) noexcept;

/// Appends a whole response without copied parts but the date: see Exchange::answer_preformatted().
void append_preformatted(std::string& out, int status, bool json_object, bool head_only, ConnectionHeader connection,
                         const HttpDate& date);

/// Appends the head of `response`, whose body has `body_size` bytes, up to and with the empty line. `request_id` is
/// left out when empty. Control characters in header values become spaces, so that no value can end its line.
void append_head(std::string& out, const Response& response, std::size_t body_size, std::string_view request_id,
                 ConnectionHeader connection, const HttpDate& date);

/// True if a response of this status has no body and no Content-Length.
constexpr bool is_bodiless(int status) noexcept {
  return status < 200 || status == 204 || status == 304;
}

}  // namespace tidemark::net
