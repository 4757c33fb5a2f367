#include "tidemark/base/hash.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tidemark/base/random.hpp"
#include "tidemark/base/testing/seeded_random.hpp"

namespace tidemark {
namespace {

FingerprintKey counting_key() {
  FingerprintKey key;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) key.bytes[i] = static_cast<std::byte>(i);
  return key;
}

// Both hashes are written to disk, so their values are part of the formats.
TEST(Hash, fingerprint_is_siphash_2_4_with_128_bits) {
  // The vectors of the reference implementation for messages 00 01 02 … of length 0 and 15.
  EXPECT_EQ(fingerprint(counting_key(), {}), (Fingerprint{0xe6a825ba047f81a3U, 0x930255c71472f66dU}));
  std::string message;
  for (char c = 0; c < 15; ++c) message.push_back(c);
  EXPECT_EQ(fingerprint(counting_key(), as_bytes(message)), (Fingerprint{0x11a8b03399e99354U, 0xd9c3cf970fec087eU}));
}

TEST(Hash, fingerprint_depends_on_the_secret) {
  EXPECT_NE(fingerprint(counting_key(), as_bytes("a")), fingerprint(FingerprintKey{}, as_bytes("a")));
}

TEST(Hash, hash64_is_xxh3_and_depends_on_the_seed) {
  EXPECT_EQ(hash64({}), 0x2d06800538d394c2U);
  EXPECT_EQ(hash64(as_bytes("a")), 0xe6c632b61e964e1fU);
  EXPECT_NE(hash64(as_bytes("a"), 1), hash64(as_bytes("a")));
}

TEST(Random, the_systems_bytes_differ_from_draw_to_draw) {
  SystemRandom random;
  std::set<std::array<std::byte, 16>> drawn;
  for (int i = 0; i < 100; ++i) {
    std::array<std::byte, 16> bytes{};
    random.fill(bytes);
    EXPECT_TRUE(drawn.insert(bytes).second);
  }
}

TEST(SeededRandom, repeats_itself_for_the_same_seed) {
  SeededRandom a(7), b(7), c(8);
  std::array<std::byte, 21> x{}, y{}, z{};
  a.fill(x);
  b.fill(y);
  c.fill(z);
  EXPECT_EQ(x, y);
  EXPECT_NE(x, z);
  EXPECT_EQ(SeededRandom(0).next(), 0xe220a8397b1dcdafU) << "SplitMix64's first number";
  for (int i = 0; i < 1000; ++i) EXPECT_LT(a.below(3), 3U);
}

}  // namespace
}  // namespace tidemark
