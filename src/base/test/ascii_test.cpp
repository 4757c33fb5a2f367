#include "tidemark/base/ascii.hpp"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

TEST(Ascii, case_is_ignored_for_ascii_letters_alone) {
  EXPECT_TRUE(same_ignoring_case("Content-Type", "content-tYPE"));
  EXPECT_FALSE(same_ignoring_case("a", "ab"));
  EXPECT_FALSE(same_ignoring_case("[", "{")) << "32 apart, as letters are";
  EXPECT_FALSE(same_ignoring_case("É", "é"));
}

TEST(Ascii, blanks_are_stripped_at_the_ends_alone) {
  EXPECT_EQ(stripped(" \t a b\t "), "a b");
  EXPECT_EQ(stripped(" \t "), "");
  EXPECT_EQ(stripped(""), "");
  EXPECT_EQ(stripped("a\r\n", "\r\n"), "a");
}

}  // namespace
}  // namespace tidemark
