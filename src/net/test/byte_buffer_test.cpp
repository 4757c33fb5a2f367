#include "byte_buffer.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>

#include "tidemark/net/http_server.hpp"

namespace tidemark::net {
namespace {

bool is_mapped(const char* at) {
  unsigned char resident = 0;
  void* page = reinterpret_cast<void*>(reinterpret_cast<std::uintptr_t>(at) & ~std::uintptr_t{4095});
  return mincore(page, 1, &resident) == 0 || errno != ENOMEM;
}

TEST(ByteBuffer, content_stays_while_it_grows_from_small_to_large) {
  ByteBuffer buffer;
  std::string expected;
  while (expected.size() < (3u << 20)) {
    const std::string piece(expected.size() / 3 + 1, static_cast<char>('a' + expected.size() % 26));
    buffer.grow_for(piece.size(), std::size_t{1} << 30);
    buffer.append(piece);
    expected += piece;
    ASSERT_TRUE(buffer.view() == expected) << expected.size();
  }
  buffer.drop_front(1000);
  EXPECT_TRUE(buffer.view() == std::string_view(expected).substr(1000));
}

TEST(ByteBuffer, growth_is_bounded) {
  ByteBuffer buffer;
  buffer.grow_for(10, 100);
  EXPECT_EQ(buffer.capacity(), 100u);
  buffer.commit(60);
  buffer.grow_for(41, 101);
  EXPECT_EQ(buffer.capacity(), 101u);
}

TEST(ByteBuffer, padding_fits_behind_a_full_buffer) {
  for (const std::size_t size :
       {std::size_t{1}, std::size_t{4096}, (std::size_t{128} << 10) - kBodyPadding, std::size_t{1} << 20}) {
    ByteBuffer buffer;
    buffer.reserve(size);
    buffer.append(std::string(size, 'x'));
    buffer.pad();
    EXPECT_TRUE(std::all_of(buffer.room(), buffer.room() + kBodyPadding, [](char c) { return c == 0; })) << size;
  }
}

// malloc would do so for the first large block only.
TEST(ByteBuffer, large_blocks_go_back_to_the_system_each_time) {
  for (int i = 0; i < 3; ++i) {
    ByteBuffer buffer;
    buffer.reserve(8u << 20);
    const char* at = buffer.data();
    ASSERT_TRUE(is_mapped(at));
    buffer.release();
    EXPECT_FALSE(is_mapped(at)) << i;
    EXPECT_EQ(buffer.capacity(), 0u);
  }
}

}  // namespace
}  // namespace tidemark::net
