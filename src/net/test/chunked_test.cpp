#include "chunked.hpp"

#include <gtest/gtest.h>

#include <string>

namespace tidemark::net {
namespace {

using State = ChunkDecoder::State;
constexpr std::size_t kMaxBody = 100;

struct Decoded {
  State state = State::kNeedMore;
  std::string body;
  std::size_t used = 0;
  bool operator==(const Decoded&) const = default;
};

// Feeds `step` bytes at a time, as the connection does: each once.
Decoded decode(std::string_view bytes, std::size_t step) {
  ChunkDecoder decoder(kMaxBody);
  ByteBuffer body;
  Decoded decoded;
  while (decoded.state == State::kNeedMore && decoded.used < bytes.size()) {
    std::size_t used = 0;
    decoded.state = decoder.feed(bytes.substr(decoded.used, step), body, used);
    decoded.used += used;
  }
  decoded.body = body.view();
  return decoded;
}

TEST(Chunked, bodies_are_taken_out_of_their_chunks) {
  const std::string digits(16, 'x');
  const std::pair<std::string, std::string> cases[] = {
      {"0\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
      {"A\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
      {"a\r\n0123456789\r\n000\r\n\r\n", "0123456789"},
      {"0000000000000005\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5;ext=\"q\"\r\nhello\r\n0;last\r\n\r\n", "hello"},
      {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
      {"0\r\nTrailer: dropped\r\nOther: too\r\n\r\n", ""},
  };
  for (const auto& [bytes, body] : cases) {
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
      EXPECT_EQ(decode(bytes + "GET /next", step), (Decoded{State::kDone, body, bytes.size()})) << bytes << step;
    }
  }
}

TEST(Chunked, malformed_and_oversized_chunks_are_refused_however_they_arrive) {
  const std::pair<std::string, State> cases[] = {
      {"\r\n", State::kMalformed},
      {"g\r\n", State::kMalformed},
      {"-1\r\n", State::kMalformed},
      {"+5\r\nhello\r\n", State::kMalformed},
      {"0x5\r\nhello\r\n", State::kMalformed},
      {" 5\r\nhello\r\n", State::kMalformed},
      {"5 \r\nhello\r\n", State::kMalformed},
      {"5\nhello\r\n", State::kMalformed},
      {"5\r\rhello\r\n", State::kMalformed},
      {"5;a\nhello\r\n", State::kMalformed},
      {"5\r\nhelloo\r\n", State::kMalformed},
      {"5\r\nhello\n0\r\n\r\n", State::kMalformed},
      {"5\r\nhello\r0\r\n\r\n", State::kMalformed},
      {"00000000000000005\r\nhello\r\n", State::kMalformed},
      {"0\r\n\rx", State::kMalformed},
      {"0\r\nA: b\n\r\n", State::kMalformed},
      {"0\r\nA: b\rx\r\n", State::kMalformed},
      {"0\r\nA: " + std::string(17 << 10, 'a'), State::kMalformed},
      {"1;" + std::string(17 << 10, 'a'), State::kMalformed},
      {"65\r\n", State::kTooLarge},
      {"FFFFFFFFFFFFFFFF\r\n", State::kTooLarge},
      {"1\r\na\r\nFFFFFFFFFFFFFFFF\r\n", State::kTooLarge},
      {"64\r\n" + std::string(100, 'a') + "\r\n1\r\n", State::kTooLarge},
      {"5\r\nhell", State::kNeedMore},
      {"0\r\n\r", State::kNeedMore},
  };
  for (const auto& [bytes, state] : cases) {
    EXPECT_EQ(decode(bytes, 1).state, state) << bytes.substr(0, 40);
    EXPECT_EQ(decode(bytes, bytes.size()).state, state) << bytes.substr(0, 40);
  }
}

TEST(Chunked, body_of_the_limit_passes) {
  EXPECT_EQ(decode("64\r\n" + std::string(100, 'a') + "\r\n0\r\n\r\n", 7).state, State::kDone);
}

}  // namespace
}  // namespace tidemark::net
