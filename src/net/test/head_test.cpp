#include "head.hpp"

#include <gtest/gtest.h>

namespace tidemark::net {
namespace {

struct Parsed {
  HeadState state = HeadState::kIncomplete;
  std::optional<Refusal> refusal;
  Request request;
  Framing framing;
  int status() const {
    if (state == HeadState::kMalformed) return 400;
    return refusal ? refusal->status : 200;
  }
};

Parsed parse(std::string_view bytes) {
  Parsed parsed;
  HeadProgress progress = 0;
  parsed.state = find_head_end(bytes, progress);
  if (parsed.state == HeadState::kComplete) {
    parsed.refusal = parse_head(bytes.substr(0, progress), parsed.request, parsed.framing);
  }
  return parsed;
}

TEST(Head, splits_the_target_and_keeps_the_fields) {
  const auto parsed = parse("POST /a/b?c=d&e HTTP/1.1\r\nHost: x\r\nX-One:  two words \r\n\r\n");
  ASSERT_EQ(parsed.status(), 200);
  EXPECT_EQ(parsed.request.method, Method::kPost);
  EXPECT_EQ(parsed.request.path, "/a/b");
  EXPECT_EQ(parsed.request.query, "c=d&e");
  EXPECT_EQ(parsed.request.header("x-oNE"), "two words");
  EXPECT_EQ(parsed.request.header("absent"), "");
  EXPECT_EQ(parsed.framing.body, BodyFraming::kNone);
  EXPECT_TRUE(parsed.framing.keep_alive);
}

TEST(Head, absolute_form_targets_lose_their_origin) {
  EXPECT_EQ(parse("GET http://h:80/p?q HTTP/1.1\r\nHost: h\r\n\r\n").request.path, "/p");
  EXPECT_EQ(parse("GET http://h:80/p?q HTTP/1.1\r\nHost: h\r\n\r\n").request.query, "q");
  EXPECT_EQ(parse("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n").request.path, "/");
  EXPECT_EQ(parse("GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n").request.query, "q");
  EXPECT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").request.path, "*");
}

TEST(Head, methods_are_known_or_other) {
  const std::pair<std::string_view, Method> cases[] = {
      {"GET", Method::kGet},       {"HEAD", Method::kHead},       {"POST", Method::kPost},   {"PUT", Method::kPut},
      {"DELETE", Method::kDelete}, {"OPTIONS", Method::kOptions}, {"PATCH", Method::kOther}, {"BREW", Method::kOther}};
  for (const auto& [name, method] : cases) {
    EXPECT_EQ(parse(std::string(name) + " / HTTP/1.1\r\nHost: h\r\n\r\n").request.method, method) << name;
  }
}

TEST(Head, connection_is_kept_or_closed_by_version_and_field) {
  const std::pair<std::string_view, bool> cases[] = {{"HTTP/1.1\r\nHost: h", true},
                                                     {"HTTP/1.1\r\nHost: h\r\nConnection: close", false},
                                                     {"HTTP/1.1\r\nHost: h\r\nConnection: Foo, CLOSE", false},
                                                     {"HTTP/1.0", false},
                                                     {"HTTP/1.0\r\nConnection: Keep-Alive", true}};
  for (const auto& [rest, kept] : cases) {
    const auto parsed = parse("GET / " + std::string(rest) + "\r\n\r\n");
    EXPECT_EQ(parsed.status(), 200) << rest;
    EXPECT_EQ(parsed.framing.keep_alive, kept) << rest;
  }
}

// Each form on which two parties could disagree about where a request ends, and other garbage.
TEST(Head, ambiguous_and_broken_heads_are_refused) {
  const std::string post = "POST / HTTP/1.1\r\nHost: h\r\n";
  const std::pair<std::string, int> cases[] = {
      {post + "Content-Length: 5\r\n\r\n", 200},
      {post + "Transfer-Encoding: chunked\r\n\r\n", 200},
      {post + "Transfer-Encoding: Chunked\r\n\r\n", 200},
      {post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400},
      {post + "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
      {post + "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {post + "Content-Length: 5, 5\r\n\r\n", 400},
      {post + "Content-Length: +5\r\n\r\n", 400},
      {post + "Content-Length: -5\r\n\r\n", 400},
      {post + "Content-Length: 0x5\r\n\r\n", 400},
      {post + "Content-Length: 5 5\r\n\r\n", 400},
      {post + "Content-Length: \r\n\r\n", 400},
      {post + "Content-Length: 18446744073709551616\r\n\r\n", 400},
      {post + "Content-Length : 5\r\n\r\n", 400},
      {post + " Content-Length: 5\r\n\r\n", 400},
      {post + "X: a\r\n Content-Length: 5\r\n\r\n", 400},
      {post + "X: a\r\n\tb\r\n\r\n", 400},
      {post + "Content-Length: 5\n\r\n", 400},
      {post + "X: a\nContent-Length: 5\r\n\r\n", 400},
      {post + "X: a\rContent-Length: 5\r\n\r\n", 400},
      {post + std::string("X: a\0b\r\n\r\n", 10), 400},
      {post + "Transfer-Encoding: xchunked\r\n\r\n", 400},
      {post + "Transfer-Encoding: gzip, chunked\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400},
      {post + "Transfer-Encoding:\x0b"
              "chunked\r\n\r\n",
       400},
      {post + "Transfer-Encoding : chunked\r\n\r\n", 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.0\r\n\r\n", 200},
      {"GET /\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 505},
      {"GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"GET relative HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"get / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\r\nNo colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: h\r\n: empty\r\n\r\n", 400},
      {"\x16\x03\x01\x02", 400},
      {post + "Expect: 100-continue\r\n\r\n", 200},
      {post + "Expect: a miracle\r\n\r\n", 417},
      {post + "Content-Encoding: gzip\r\n\r\n", 200},
      {post + "Content-Encoding: identity\r\n\r\n", 200},
      {post + "Content-Encoding: br\r\n\r\n", 415},
      {post + "Content-Encoding: gzip, gzip\r\n\r\n", 415},
      {post + "Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n", 415},
  };
  for (const auto& [bytes, status] : cases) EXPECT_EQ(parse(bytes).status(), status) << bytes;
}

TEST(Head, too_many_fields_are_refused) {
  std::string bytes = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (std::size_t i = 1; i < kMaxHeaderFields; ++i) bytes += "A: b\r\n";
  EXPECT_EQ(parse(bytes + "\r\n").status(), 200);
  EXPECT_EQ(parse(bytes + "A: b\r\n\r\n").status(), 431);
}

TEST(Head, end_is_found_at_the_same_byte_however_the_bytes_arrive) {
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
  const std::string bytes = head + "GET /next";
  HeadProgress progress = 0;
  for (std::size_t size = 1; size < head.size(); ++size) {
    ASSERT_EQ(find_head_end(std::string_view(bytes).substr(0, size), progress), HeadState::kIncomplete) << size;
  }
  EXPECT_EQ(find_head_end(bytes, progress), HeadState::kComplete);
  EXPECT_EQ(progress, head.size());
}

TEST(Request, query_parameters_are_decoded) {
  Request request;
  request.query = "a=1%202+3&b&%63=%&c=second&d=%4";
  const std::pair<std::string_view, std::optional<std::string>> cases[] = {
      {"a", "1 2 3"}, {"b", ""}, {"c", "%"}, {"d", "%4"}, {"e", std::nullopt}, {"", std::nullopt}};
  for (const auto& [name, expected] : cases) {
    std::string value;
    const bool found = request.query_parameter(name, value);
    EXPECT_EQ(found, expected.has_value()) << name;
    if (expected) {
      EXPECT_EQ(value, *expected) << name;
    }
  }
}

}  // namespace
}  // namespace tidemark::net
