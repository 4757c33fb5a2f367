#include "gzip.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

#include "test/packing.hpp"

namespace tidemark::net {

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

namespace {

using Outcome = GzipUnpacker::Outcome;

TEST(Gzip, members_are_unpacked_up_to_the_limit_and_not_beyond) {
  GzipUnpacker unpacker;
  ByteBuffer out;
  const std::string text(100'000, 'a');
  ASSERT_EQ(unpacker.unpack(gzip(text), text.size(), out), Outcome::kDone);
  EXPECT_EQ(out.view(), text);
  EXPECT_EQ(unpacker.unpack(gzip(text), text.size() - 1, out), Outcome::kTooLarge);
  ASSERT_EQ(unpacker.unpack(gzip("one,") + gzip("") + gzip("two"), 100, out), Outcome::kDone);
  EXPECT_EQ(out.view(), "one,two");
  ASSERT_EQ(unpacker.unpack(gzip(""), 100, out), Outcome::kDone);
  EXPECT_EQ(out.size(), 0u);
}

TEST(Gzip, bomb_takes_no_more_memory_than_the_limit) {
  GzipUnpacker unpacker;
  ByteBuffer out;
  const std::string bomb = gzip(std::string(64u << 20, '\0'));
  EXPECT_EQ(unpacker.unpack(bomb, 1u << 20, out), Outcome::kTooLarge);
  EXPECT_LE(out.capacity(), (1u << 20) + 1);
}

TEST(Gzip, what_is_not_whole_gzip_is_refused) {
  GzipUnpacker unpacker;
  ByteBuffer out;
  const std::string good = gzip("some text that is packed");
  for (std::size_t size = 1; size < good.size(); ++size) {
    EXPECT_EQ(unpacker.unpack(good.substr(0, size), 1000, out), Outcome::kMalformed) << size;
  }
  for (const std::size_t at : {std::size_t{0}, std::size_t{1}, good.size() / 2, good.size() - 6, good.size() - 1}) {
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    EXPECT_EQ(unpacker.unpack(flipped, 1000, out), Outcome::kMalformed) << at;
  }
  EXPECT_EQ(unpacker.unpack(good + "rubbish", 1000, out), Outcome::kMalformed);
  EXPECT_EQ(unpacker.unpack("{\"not\":\"gzip\"}", 1000, out), Outcome::kMalformed);
  EXPECT_EQ(unpacker.unpack(good, 1000, out), Outcome::kDone);  // None of them harms the next.
}

}  // namespace
}  // namespace tidemark::net
