#include "tidemark/sql/statement.hpp"

#include <gtest/gtest.h>

namespace tidemark::sql {
namespace {

TEST(Statement, identifiers_are_quoted_and_their_quotes_doubled) {
  EXPECT_EQ(quote_identifier("key"), "\"key\"");
  EXPECT_EQ(quote_identifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(quote_identifier("a`b", '`'), "`a``b`");
}

TEST(Statement, placeholders_are_numbered_from_one) {
  EXPECT_EQ(number_placeholders("SELECT ? + ?"), "SELECT $1 + $2");
  EXPECT_EQ(number_placeholders(""), "");
}

TEST(Statement, question_marks_in_quotes_and_comments_are_no_placeholders) {
  EXPECT_EQ(number_placeholders("SELECT '?', \"?\", `?`, ? -- ?\n, ? /* ? */, ?"),
            "SELECT '?', \"?\", `?`, $1 -- ?\n, $2 /* ? */, $3");
  EXPECT_EQ(number_placeholders("SELECT 'it''s ?', ?"), "SELECT 'it''s ?', $1");
  EXPECT_EQ(number_placeholders("SELECT 'open ?"), "SELECT 'open ?");
}

TEST(Statement, key_columns_are_counted) {
  const UpsertShape shape{"t", {{{"a"}, Merge::kKey}, {{"b"}, Merge::kKey}, {{"c"}, Merge::kAdd}}, ""};
  EXPECT_EQ(key_column_count(shape), 2u);
  EXPECT_EQ(key_column_count({"t", {{{"a"}, Merge::kKey}}, ""}), 1u);
}

TEST(Statement, join_separates_the_parts) {
  EXPECT_EQ(join({"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(join({}, ", "), "");
}

}  // namespace
}  // namespace tidemark::sql
