#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "refusal.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::net {

/// How many bytes of a head have been looked at: the start of its first line that isn't complete.
using HeadProgress = std::size_t;

enum class HeadState : std::uint8_t { kIncomplete, kComplete, kMalformed };

/// Looks for the empty line that ends the head at the start of `bytes`, going on from `progress`, which it moves on.
/// Complete: `progress` is the head's size, empty line included. Malformed, and told as early as it can be seen: a line
/// that doesn't end in CRLF, a continued line (obs-fold), a first byte that can't begin a request.
HeadState find_head_end(std::string_view bytes, HeadProgress& progress) noexcept;

enum class BodyFraming : std::uint8_t { kNone, kLength, kChunked };
enum class ContentCoding : std::uint8_t { kIdentity, kGzip };

/// What a head says about the bytes behind it and about the connection.
struct Framing {
  BodyFraming body = BodyFraming::kNone;
  std::uint64_t content_length = 0;  ///< With BodyFraming::kLength; above 0.
  ContentCoding coding = ContentCoding::kIdentity;
  bool http_1_0 = false;
  bool keep_alive = false;
  bool expects_continue = false;
};

/// Parses one whole head, as find_head_end() delimited it, into `request` (method, path, query, headers; views into
/// `head`) and `framing`. *Limits*: kMaxHeaderFields. Refuses every form on which two parties could disagree about
/// where a body ends: Content-Length repeated, listed or beside Transfer-Encoding, any transfer coding but one
/// `chunked`, Transfer-Encoding in HTTP/1.0.
std::optional<Refusal> parse_head(std::string_view head, Request& request, Framing& framing);

inline constexpr std::size_t kMaxHeaderFields = 100;

}  // namespace tidemark::net
