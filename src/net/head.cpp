#include "head.hpp"

#include <boost/beast/http/basic_parser.hpp>
#include <charconv>
#include <cstring>

#include "ascii.hpp"
#include "tidemark/base/assert.hpp"

namespace tidemark::net {
namespace {

namespace http = boost::beast::http;
using BeastText = boost::beast::string_view;
using BeastError = boost::beast::error_code;

std::string_view text(BeastText from) {
  return {from.data(), from.size()};
}

Method to_method(http::verb verb) {
  switch (verb) {
    case http::verb::get:
      return Method::kGet;
    case http::verb::head:
      return Method::kHead;
    case http::verb::post:
      return Method::kPost;
    case http::verb::put:
      return Method::kPut;
    case http::verb::delete_:
      return Method::kDelete;
    case http::verb::options:
      return Method::kOptions;
    default:
      return Method::kOther;
  }
}

// Beast's parser checks the grammar and hands each field over; this collects views instead of copies, and holds the
// rules that Beast is lenient about.
class HeadParser final : public http::basic_parser<true> {
 public:
  HeadParser(Request& request, Framing& framing) : request_(request), framing_(framing) {
    header_limit(UINT32_MAX);  // The connection has bounded the head already, and checks the body's size itself.
    body_limit(boost::none);
  }

  std::optional<Refusal> finish() {
    if (refusal_) return refusal_;
    const bool any_host_missing = hosts_ != 1 && !framing_.http_1_0;
    if (any_host_missing || hosts_ > 1) refuse(400, "an HTTP/1.1 request must have exactly one Host field");
    if (transfer_encodings_ > 0 && content_lengths_ > 0) refuse(400, "Content-Length beside Transfer-Encoding");
    if (transfer_encodings_ > 0 && framing_.http_1_0) refuse(400, "Transfer-Encoding in an HTTP/1.0 request");
    framing_.keep_alive = keep_alive();
    if (transfer_encodings_ > 0) {
      framing_.body = BodyFraming::kChunked;
    } else if (framing_.content_length > 0) {
      framing_.body = BodyFraming::kLength;
    }
    if (framing_.http_1_0) framing_.expects_continue = false;
    return refusal_;
  }

 private:
  void refuse(int status, std::string_view detail, RefusedFor reason = RefusedFor::kMalformed) {
    if (!refusal_) refusal_ = Refusal{status, reason, detail};
  }

  void on_request_impl(http::verb verb, BeastText, BeastText target, int version, BeastError&) override {
    request_.method = to_method(verb);
    framing_.http_1_0 = version == 10;
    split_target(text(target));
  }

  // origin-form, `*`, or absolute-form, which a server must take too. Authority-form is for CONNECT alone.
  void split_target(std::string_view target) {
    if (const auto scheme = target.find("://"); target.front() != '/' && scheme != std::string_view::npos) {
      const auto path = target.find_first_of("/?", scheme + 3);
      target = path == std::string_view::npos ? std::string_view("/") : target.substr(path);
      if (target.front() == '?') {
        request_.path = "/";
        request_.query = target.substr(1);
        return;
      }
    } else if (target.front() != '/' && target != "*") {
      refuse(400, "the request target must begin with a slash");
    }
    const auto mark = target.find('?');
    request_.path = target.substr(0, mark);
    request_.query = mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1);
  }

  void on_field_impl(http::field field, BeastText name, BeastText raw_value, BeastError&) override {
    const std::string_view value = text(raw_value);
    if (request_.headers.size() == kMaxHeaderFields) {
      refuse(431, "too many header fields", RefusedFor::kHeadSize);
      return;
    }
    request_.headers.emplace_back(text(name), value);
    switch (field) {
      case http::field::host:
        ++hosts_;
        break;
      case http::field::content_length:
        content_length(value);
        break;
      case http::field::transfer_encoding:
        if (++transfer_encodings_ > 1 || !same_ignoring_case(value, "chunked")) {
          refuse(400, "the only transfer coding accepted is one `chunked`");
        }
        break;
      case http::field::content_encoding:
        content_encoding(value);
        break;
      case http::field::expect:
        if (!same_ignoring_case(value, "100-continue")) refuse(417, "the only expectation known is 100-continue");
        framing_.expects_continue = true;
        break;
      default:
        break;
    }
  }

  void content_length(std::string_view value) {
    const char* end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, framing_.content_length);
    if (++content_lengths_ > 1 || error != std::errc() || stop != end) {
      refuse(400, "Content-Length must be one decimal number, given once");
    }
  }

  void content_encoding(std::string_view value) {
    if (value.empty() || same_ignoring_case(value, "identity")) return;
    const bool gzip = same_ignoring_case(value, "gzip") || same_ignoring_case(value, "x-gzip");
    if (!gzip || framing_.coding != ContentCoding::kIdentity) {
      refuse(415, "the only Content-Encoding accepted is one `gzip`", RefusedFor::kEncoding);
    }
    framing_.coding = ContentCoding::kGzip;
  }

  // Only the head is ever put into the parser.
  void on_response_impl(int, BeastText, int, BeastError&) override {}
  void on_header_impl(BeastError&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}
  std::size_t on_body_impl(BeastText, BeastError&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, BeastText, BeastError&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastText, BeastError&) override { return 0; }
  void on_finish_impl(BeastError&) override {}

  Request& request_;
  Framing& framing_;
  std::optional<Refusal> refusal_;
  int hosts_ = 0;
  int content_lengths_ = 0;
  int transfer_encodings_ = 0;
};

Refusal refusal_for(const BeastError& error) {
  if (error == http::error::bad_version) {
    return {505, RefusedFor::kMalformed, "only HTTP/1.1 and HTTP/1.0 are spoken here"};
  }
  if (error == http::error::bad_content_length || error == http::error::multiple_content_length) {
    return {400, RefusedFor::kMalformed, "Content-Length must be one decimal number, given once"};
  }
  if (error == http::error::bad_transfer_encoding) {
    return {400, RefusedFor::kMalformed, "the only transfer coding accepted is one `chunked`, without Content-Length"};
  }
  return {400, RefusedFor::kMalformed, "the request's head isn't HTTP/1.1"};
}

}  // namespace

HeadState find_head_end(std::string_view bytes, HeadProgress& progress) noexcept {
  // A method is upper-case letters: a TLS hello or other protocol is told at once instead of waiting for its "line".
  if (!bytes.empty() && (bytes.front() < 'A' || bytes.front() > 'Z')) return HeadState::kMalformed;
  while (progress < bytes.size()) {
    const char* line = bytes.data() + progress;
    if (*line == ' ' || *line == '\t') return HeadState::kMalformed;
    const auto* feed = static_cast<const char*>(std::memchr(line, '\n', bytes.size() - progress));
    if (feed == nullptr) return HeadState::kIncomplete;
    if (feed == line || feed[-1] != '\r') return HeadState::kMalformed;
    progress += static_cast<std::size_t>(feed + 1 - line);
    if (feed == line + 1) return HeadState::kComplete;
  }
  return HeadState::kIncomplete;
}

std::optional<Refusal> parse_head(std::string_view head, Request& request, Framing& framing) {
  request.headers.clear();
  request.body = {};
  framing = {};
  HeadParser parser(request, framing);
  BeastError error;
  const std::size_t used = parser.put(boost::asio::const_buffer(head.data(), head.size()), error);
  if (error) return refusal_for(error);
  if (used != head.size() || !parser.is_header_done()) return refusal_for(http::error::bad_line_ending);
  return parser.finish();
}

}  // namespace tidemark::net
