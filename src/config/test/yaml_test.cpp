#include "yaml.hpp"

#include <gtest/gtest.h>

namespace tidemark::config {
namespace {

TEST(Yaml, an_empty_file_is_nothing) {
  for (const char* text : {"", "\n\n", "# a comment\n", "---\n", "~"}) {
    const auto root = parse_yaml(text);
    ASSERT_TRUE(root) << text;
    EXPECT_TRUE(root->is_null()) << text;
  }
}

TEST(Yaml, maps_lists_and_texts_keep_their_lines) {
  const auto root = parse_yaml("a: 1\nb:\n  - x\n  - {c: 'two words'}\n");
  ASSERT_TRUE(root);
  const YamlNode::Map& map = *root->map();
  ASSERT_EQ(map.size(), 2U);
  EXPECT_EQ(*map[0].value.text(), "1");
  EXPECT_EQ(map[1].line, 2);
  const YamlNode::List& list = *map[1].value.list();
  EXPECT_EQ(list[1].line, 4);
  EXPECT_EQ(*list[1].map()->front().value.text(), "two words");
}

TEST(Yaml, a_byte_order_mark_and_line_ends_of_windows_are_taken) {
  const auto root = parse_yaml(
      "\xef\xbb\xbf"
      "a: 1\r\nb: 2\r\n");
  ASSERT_TRUE(root) << root.error().fault.what;
  EXPECT_EQ(root->map()->front().key, "a");
  EXPECT_EQ(*root->map()->front().value.text(), "1");
}

struct RefusedCase {
  const char* name;
  std::string text;
  int line;
  const char* what;
};
class RefusedYaml : public ::testing::TestWithParam<RefusedCase> {};

TEST_P(RefusedYaml, is_told_with_its_line) {
  const auto root = parse_yaml(GetParam().text);
  ASSERT_FALSE(root);
  EXPECT_EQ(root.error().line, GetParam().line) << root.error().fault.what;
  EXPECT_NE(root.error().fault.what.find(GetParam().what), std::string::npos) << root.error().fault.what;
  EXPECT_FALSE(root.error().fault.remedy.empty());
}

std::string billion_laughs() {
  std::string text = "a0: &a0 [lol, lol]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last + ", " + last + "]\n";
  }
  return text;
}

INSTANTIATE_TEST_SUITE_P(
    All, RefusedYaml,
    ::testing::Values(RefusedCase{"aliases", billion_laughs(), 2, "alias"},
                      RefusedCase{"deep_lists", std::string(20, '[') + std::string(20, ']'), 1, "nesting"},
                      RefusedCase{"lists_without_end", std::string(100'000, '['), 1, "key of a map"},
                      RefusedCase{"deep_maps", "a: {a: {a: {a: {a: {a: {a: {a: {a: 1}}}}}}}}}", 1, "nesting"},
                      RefusedCase{"repeated_key", "a: 1\nb: 2\na: 3\n", 3, "the key a a second time"},
                      RefusedCase{"repeated_inner_key", "m:\n  - a: 1\n    a: 2\n", 3, "second time"},
                      RefusedCase{"tag", "a: !!python/object 1\n", 1, "tag"},
                      RefusedCase{"list_as_key", "? [a]\n: 1\n", 1, "key of a map"},
                      RefusedCase{"nothing_as_key", "~: 1\n", 1, "key of a map"},
                      RefusedCase{"second_document", "a: 1\n---\nb: 2\n", 0, "second document"},
                      RefusedCase{"syntax", "a: 1\n b: [\n", 2, "not YAML"},
                      RefusedCase{"tab", "a:\n\tb: 1\n", 2, "not YAML"},
                      RefusedCase{"latin1", "a: 1\nb: caf\xe9\nc: 2\n", 2, "UTF-8"},
                      RefusedCase{"nul", std::string("a: 1\nb: \0\n", 10), 2, "UTF-8"},
                      RefusedCase{"utf16",
                                  std::string("\xff\xfe"
                                              "a\0:\0",
                                              6),
                                  1, "UTF-8"}),
    [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace tidemark::config
