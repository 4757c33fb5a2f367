#include "manifest.hpp"

#include <gtest/gtest.h>

#include "tidemark/base/testing/must.hpp"

namespace tidemark::keyset {
namespace {

Manifest example() {
  Manifest manifest;
  manifest.log_id.fill(std::byte{3});
  manifest.key.bytes.fill(std::byte{5});
  manifest.next_number = 12;
  manifest.covered_to = 345;
  manifest.segments = {{4, 111}, {11, 222}, {9, 333}};
  return manifest;
}

TEST(Manifest, comes_back_as_it_was_written) {
  const Manifest read = must(decode_manifest(as_bytes(encode(example())), "m"));
  EXPECT_EQ(read.log_id, example().log_id);
  EXPECT_EQ(read.key.bytes, example().key.bytes);
  EXPECT_EQ(read.next_number, 12U);
  EXPECT_EQ(read.covered_to, 345U);
  EXPECT_EQ(read.segments, example().segments);
}

TEST(Manifest, any_flipped_bit_and_any_other_length_is_corrupt_and_names_the_file) {
  const std::string whole = encode(example());
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    const auto read = decode_manifest(as_bytes(flipped), "dir/manifest");
    ASSERT_FALSE(read) << bit;
    ASSERT_EQ(read.error().code(), Errc::kCorrupt);
    ASSERT_NE(read.error().message().find("dir/manifest"), std::string::npos);
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_FALSE(decode_manifest(as_bytes(whole.substr(0, size)), "m"));
  }
  EXPECT_FALSE(decode_manifest(as_bytes(whole + "x"), "m"));
}

TEST(Manifest, another_version_is_unsupported) {
  std::string bytes = encode(example());
  bytes.resize(bytes.size() - sizeof(std::uint64_t));
  store_le<std::uint32_t>(bytes.data() + 8, 2);
  append_le(bytes, hash64(as_bytes(bytes)));
  EXPECT_EQ(decode_manifest(as_bytes(bytes), "m").error().code(), Errc::kUnsupported);
}

TEST(Manifest, a_segment_number_that_was_never_given_out_is_corrupt) {
  Manifest manifest = example();
  manifest.segments.push_back({12, 1});
  EXPECT_EQ(decode_manifest(as_bytes(encode(manifest)), "m").error().code(), Errc::kCorrupt);
}

}  // namespace
}  // namespace tidemark::keyset
