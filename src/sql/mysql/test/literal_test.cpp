#include "literal.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace tidemark::sql::mysql {
namespace {

std::string literal(const Value& value) {
  std::string out;
  EXPECT_TRUE(append_literal(out, value));
  return out;
}

/// The literal of one cell, or the error's label.
std::string cell(const Column& column, const std::function<void(Batch&)>& add) {
  Batch batch(1);
  batch.begin_row();
  add(batch);
  std::string out;
  const auto done = append_literal(out, batch, 0, 0, column);
  return done ? out : std::string(traits(done.error().code()).label);
}

TEST(MysqlLiteral, only_the_quote_is_doubled) {
  EXPECT_EQ(literal("plain"), "'plain'");
  EXPECT_EQ(literal(""), "''");
  EXPECT_EQ(literal("'"), "''''");
  EXPECT_EQ(literal("a'b''c"), "'a''b''''c'");
  EXPECT_EQ(literal("\\'"), "'\\'''");
  EXPECT_EQ(literal("\"`\n"), "'\"`\n'");
}

TEST(MysqlLiteral, numbers_and_times_are_exact) {
  EXPECT_EQ(literal(std::monostate{}), "NULL");
  EXPECT_EQ(literal(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(literal(Decimal::parse("-0.000000000001").value()), "-0.000000000001");
  EXPECT_EQ(literal(from_micros(-1)), "TIMESTAMP'1969-12-31 23:59:59.999999'");
  EXPECT_EQ(literal(parse_rfc3339("2024-02-29T12:34:56.000007Z").value()), "TIMESTAMP'2024-02-29 12:34:56.000007'");
}

TEST(MysqlLiteral, times_outside_of_the_column_are_rejected) {
  std::string out;
  for (const std::int64_t micros : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
                                    to_micros(parse_rfc3339("9999-12-31T23:59:59.999999Z").value()) + 1}) {
    const auto done = append_literal(out, Value(from_micros(micros)));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), Errc::kDataRejected);
  }
}

TEST(MysqlLiteral, what_the_server_would_cut_or_pad_is_rejected) {
  const Column text{"subject", Type::kText, 3};
  EXPECT_EQ(cell(text, [](Batch& batch) { batch.add_text("ab "); }), "'ab '");
  EXPECT_EQ(cell(text, [](Batch& batch) { batch.add_text("abc "); }), "data_rejected");
  EXPECT_EQ(cell(text, [](Batch& batch) { batch.add_text("ééé"); }), "'ééé'");
  EXPECT_EQ(cell(text, [](Batch& batch) { batch.add_text("éééé"); }), "data_rejected");
  const Column bytes{"hash", Type::kBytes, 2};
  EXPECT_EQ(cell(bytes, [](Batch& batch) { batch.add_text(std::string_view("\0'", 2)); }), "X'0027'");
  EXPECT_EQ(cell(bytes, [](Batch& batch) { batch.add_text("a"); }), "data_rejected");
  EXPECT_EQ(cell(bytes, [](Batch& batch) { batch.add_null(); }), "NULL");
}

TEST(MysqlLiteral, answers_are_read_back) {
  EXPECT_EQ(read_value("-9223372036854775808", Type::kInt).value(), Value(std::numeric_limits<std::int64_t>::min()));
  EXPECT_EQ(read_value("12.000", Type::kInt).value(), Value(std::int64_t{12}));
  EXPECT_FALSE(read_value("12.5", Type::kInt));
  EXPECT_FALSE(read_value("9223372036854775808", Type::kInt));
  EXPECT_EQ(read_value("1.500000000000", Type::kDecimal).value(), Value(Decimal::parse("1.5").value()));
  EXPECT_EQ(read_value("1970-01-01 00:00:00.000001", Type::kTime).value(), Value(from_micros(1)));
  EXPECT_EQ(read_value("1970-01-01 00:00:01", Type::kTime).value(), Value(from_micros(1'000'000)));
  EXPECT_FALSE(read_value("0000-00-00 00:00:00", Type::kTime));
  EXPECT_FALSE(read_value("today", Type::kTime));
}

}  // namespace
}  // namespace tidemark::sql::mysql
