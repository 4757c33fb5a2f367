#include "tidemark/base/json_text.hpp"

#include <gtest/gtest.h>

namespace tidemark {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "x";
  append_json_string(out, text);
  return out.substr(1);
}

TEST(JsonText, escapes_what_a_json_string_must_not_hold) {
  EXPECT_EQ(quoted("a\"b\\c\n\r\t"), R"("a\"b\\c\n\r\t")");
  EXPECT_EQ(quoted(std::string_view("\0\x1f", 2)), R"("\u0000\u001f")");
}

TEST(JsonText, copies_everything_else) {
  EXPECT_EQ(quoted(""), "\"\"");
  EXPECT_EQ(quoted("é 🌊 / ' \x7f"), "\"é 🌊 / ' \x7f\"");
}

}  // namespace
}  // namespace tidemark
