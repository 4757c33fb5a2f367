#include "tidemark/base/bytes.hpp"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

TEST(Bytes, integers_are_stored_little_endian_at_any_alignment) {
  std::array<unsigned char, 9> buffer{};
  store_le<std::uint32_t>(buffer.data() + 1, 0x01020304U);
  EXPECT_EQ(buffer[1], 4);
  EXPECT_EQ(buffer[4], 1);
  EXPECT_EQ(load_le<std::uint32_t>(buffer.data() + 1), 0x01020304U);
}

TEST(Bytes, varints_of_every_length_come_back) {
  for (unsigned bits = 0; bits < 64; ++bits) {
    for (const std::uint64_t value :
         {std::uint64_t{1} << bits, (std::uint64_t{1} << bits) - 1, ~std::uint64_t{0} >> bits}) {
      std::string text;
      append_varint(text, value);
      EXPECT_LE(text.size(), 10U);
      ByteReader reader(as_bytes(text));
      EXPECT_EQ(reader.varint(), value);
      EXPECT_TRUE(reader.ok() && reader.at_end());
    }
  }
}

TEST(Bytes, a_broken_varint_fails_the_reader) {
  const std::string_view cases[] = {
      "",
      "\x80",
      "\xff\xff\xff\xff\xff\xff\xff\xff\xff",
      "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02",      // bit 64
      "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",  // eleven bytes
  };
  for (const std::string_view text : cases) {
    ByteReader reader(as_bytes(text));
    EXPECT_EQ(reader.varint(), 0U);
    EXPECT_FALSE(reader.ok()) << to_hex(as_bytes(text));
  }
}

TEST(Bytes, a_reader_that_failed_stays_failed_and_empty) {
  ByteReader reader(as_bytes("abc"));
  EXPECT_EQ(reader.fixed<std::uint32_t>(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_TRUE(reader.take(1).empty());
  EXPECT_EQ(reader.fixed<std::uint8_t>(), 0U);
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, a_length_beyond_the_bytes_is_refused_however_large) {
  std::string text;
  append_varint(text, ~std::uint64_t{0});
  text += "abc";
  ByteReader reader(as_bytes(text));
  EXPECT_TRUE(reader.sized().empty());
  EXPECT_FALSE(reader.ok());
}

TEST(Bytes, sized_text_answers_that_many_bytes_and_leaves_the_rest) {
  ByteReader reader(
      as_bytes("\x03"
               "abcde"));
  EXPECT_EQ(reader.sized_text(), "abc");
  EXPECT_EQ(as_text(reader.rest()), "de");
}

TEST(Bytes, hexadecimal_comes_back_and_either_case_is_read) {
  std::array<std::byte, 3> bytes{};
  EXPECT_TRUE(from_hex("00aFfE", bytes));
  EXPECT_EQ(to_hex(bytes), "00affe");
  for (const std::string_view bad : {"00aff", "00affe0", "00afg0", "00af f", ""})
    EXPECT_FALSE(from_hex(bad, bytes)) << bad;
}

TEST(Bytes, storable_text_is_well_formed_utf8_without_nul) {
  const std::string_view good[] = {"",
                                   "a",
                                   "plain text of some length",
                                   "\x7f",
                                   "é",
                                   "€uro",
                                   "𝄞 clef",
                                   "\xed\x9f\xbf",
                                   "\xee\x80\x80",
                                   "\xf4\x8f\xbf\xbf",
                                   "12345678é12345678"};
  for (const std::string_view text : good) EXPECT_TRUE(is_storable_text(text)) << text;
  const std::string_view bad[] = {
      {"\0", 1},
      {"abcdefg\0", 8},
      {"12345678\0", 9},
      "\x80",
      "\xc0\x80",
      "\xc1\xbf",
      "\xe0\x80\x80",
      "\xe0\x9f\xbf",
      "\xed\xa0\x80",
      "\xf0\x8f\xbf\xbf",
      "\xf4\x90\x80\x80",
      "\xf5\x80\x80\x80",
      "\xff",
      "\xc3",
      "\xe2\x82",
      "\xf0\x9d\x84",
      "\xc3(",
      "1234567\xff",
  };
  for (const std::string_view text : bad) EXPECT_FALSE(is_storable_text(text)) << to_hex(as_bytes(text));
}

TEST(Bytes, every_position_in_a_word_is_checked_for_nul_and_bad_bytes) {
  for (std::size_t at = 0; at < 24; ++at) {
    for (const char bad : {'\0', '\x80', '\xff'}) {
      std::string text(24, 'a');
      text[at] = bad;
      EXPECT_FALSE(is_storable_text(text)) << at;
    }
  }
}

}  // namespace
}  // namespace tidemark
