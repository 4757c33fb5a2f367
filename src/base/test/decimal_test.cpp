#include "tidemark/base/decimal.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "tidemark/base/testing/must.hpp"

namespace tidemark {
namespace {

struct ValueCase {
  std::string_view text;
  std::string_view written;  ///< Empty: refused.
};

class DecimalValue : public ::testing::TestWithParam<ValueCase> {};

TEST_P(DecimalValue, is_read_exactly_or_refused) {
  const auto& [text, written] = GetParam();
  const auto parsed = Decimal::parse_value(text);
  if (written.empty()) {
    ASSERT_FALSE(parsed) << parsed->to_string();
    EXPECT_EQ(parsed.error().code(), Errc::kInvalidArgument);
  } else {
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->to_string(), written);
  }
}

INSTANTIATE_TEST_SUITE_P(Plain, DecimalValue,
                         ::testing::Values(ValueCase{"0", "0"}, ValueCase{"1", "1"}, ValueCase{"-1", "-1"},
                                           ValueCase{"42.5", "42.5"}, ValueCase{"-0.25", "-0.25"},
                                           ValueCase{"1.10", "1.1"}, ValueCase{"100", "100"},
                                           ValueCase{"0.000000000001", "0.000000000001"}));
INSTANTIATE_TEST_SUITE_P(NegativeZeroIsZero, DecimalValue,
                         ::testing::Values(ValueCase{"-0", "0"}, ValueCase{"-0.0", "0"}, ValueCase{"-0e5", "0"},
                                           ValueCase{"0e999999999999999999999", "0"}));
INSTANTIATE_TEST_SUITE_P(Exponents, DecimalValue,
                         ::testing::Values(ValueCase{"1e3", "1000"}, ValueCase{"1E+3", "1000"},
                                           ValueCase{"15e-1", "1.5"}, ValueCase{"1.5e1", "15"},
                                           ValueCase{"0.001e3", "1"}, ValueCase{"1000e-3", "1"},
                                           ValueCase{"120e-1", "12"}, ValueCase{"1.20e1", "12"},
                                           ValueCase{"0.0012e2", "0.12"}, ValueCase{"10.01e-1", "1.001"}));
INSTANTIATE_TEST_SUITE_P(FifteenIntegerDigits, DecimalValue,
                         ::testing::Values(ValueCase{"999999999999999", "999999999999999"},
                                           ValueCase{"999999999999999.999999999999", "999999999999999.999999999999"},
                                           ValueCase{"1e14", "100000000000000"}, ValueCase{"1e15", ""},
                                           ValueCase{"1000000000000000", ""}, ValueCase{"-1000000000000000", ""},
                                           ValueCase{"1000000000000000e-1", "100000000000000"},
                                           ValueCase{"99999999999999999999999999999999", ""}, ValueCase{"1e400", ""},
                                           ValueCase{"1e99999999999999999999", ""}));
INSTANTIATE_TEST_SUITE_P(TwelveFractionalDigits, DecimalValue,
                         ::testing::Values(ValueCase{"0.1234567890120000000000", "0.123456789012"},
                                           ValueCase{"0.1234567890123", ""}, ValueCase{"1e-12", "0.000000000001"},
                                           ValueCase{"1e-13", ""}, ValueCase{"10e-13", "0.000000000001"},
                                           ValueCase{"0.0000000000001e1", "0.000000000001"},
                                           ValueCase{"1e-99999999999999999999", ""}));
INSTANTIATE_TEST_SUITE_P(NotNumbers, DecimalValue,
                         ::testing::Values(ValueCase{"", ""}, ValueCase{"-", ""}, ValueCase{"+1", ""},
                                           ValueCase{"01", ""}, ValueCase{"-01", ""}, ValueCase{".5", ""},
                                           ValueCase{"5.", ""}, ValueCase{"1e", ""}, ValueCase{"1e+", ""},
                                           ValueCase{"1e1.5", ""}, ValueCase{"1 ", ""}, ValueCase{" 1", ""},
                                           ValueCase{"--1", ""}, ValueCase{"1,5", ""}, ValueCase{"0x10", ""},
                                           ValueCase{"NaN", ""}, ValueCase{"Infinity", ""}, ValueCase{"1_000", ""}));

TEST(Decimal, a_refusal_says_which_bound_is_broken) {
  EXPECT_NE(Decimal::parse_value("1e15").error().message().find("integer digits than 15"), std::string::npos);
  EXPECT_NE(Decimal::parse_value("1e-13").error().message().find("fractional digits than 12"), std::string::npos);
}

TEST(Decimal, a_text_of_a_million_digits_is_read_by_what_it_says) {
  const std::string zeros(1'000'000, '0');
  EXPECT_EQ(must(Decimal::parse_value("0." + zeros + "5e1000001")).to_string(), "5");
  EXPECT_EQ(must(Decimal::parse_value("5" + zeros + "e-1000000")).to_string(), "5");
  EXPECT_FALSE(Decimal::parse_value("5" + zeros));
}

TEST(Decimal, parse_reads_the_whole_range_of_38_digits_and_no_more) {
  const std::string widest = "99999999999999999999999999.999999999999";
  EXPECT_EQ(must(Decimal::parse(widest)).to_string(), widest);
  EXPECT_EQ(must(Decimal::parse("-" + widest)).to_string(), "-" + widest);
  EXPECT_EQ(must(Decimal::parse("123.450000000000")).to_string(), "123.45");
  EXPECT_FALSE(Decimal::parse("100000000000000000000000000"));
  EXPECT_FALSE(Decimal::parse("0.0000000000001"));
}

TEST(Decimal, plus_is_exact_up_to_the_range_and_nothing_beyond) {
  const Decimal most = must(Decimal::parse("99999999999999999999999999.999999999998"));
  const Decimal unit = Decimal::from_units(1);
  EXPECT_EQ(most.plus(unit)->to_string(), "99999999999999999999999999.999999999999");
  EXPECT_EQ(most.plus(unit)->plus(unit), std::nullopt);
  const Decimal least = Decimal::from_units(-most.units());
  EXPECT_EQ(least.plus(Decimal::from_units(-1))->plus(Decimal::from_units(-1)), std::nullopt);
  EXPECT_EQ(most.plus(most), std::nullopt);
  EXPECT_EQ(most.plus(least), Decimal());
  EXPECT_EQ(must(Decimal::parse_value("0.1")).plus(must(Decimal::parse_value("0.2"))),
            must(Decimal::parse_value("0.3")));
}

TEST(Decimal, whole_numbers_of_64_bits_are_told_apart_from_the_rest) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  constexpr auto kMin = std::numeric_limits<std::int64_t>::min();
  for (const std::int64_t whole : {std::int64_t{0}, std::int64_t{-7}, kMax, kMin}) {
    ASSERT_TRUE(Decimal::from_int(whole).is_int64());
    EXPECT_EQ(Decimal::from_int(whole).as_int64(), whole);
    EXPECT_EQ(Decimal::from_int(whole).to_string(), std::to_string(whole));
  }
  EXPECT_FALSE(must(Decimal::parse("9223372036854775808")).is_int64());
  EXPECT_FALSE(must(Decimal::parse("-9223372036854775809")).is_int64());
  EXPECT_FALSE(must(Decimal::parse("0.5")).is_int64());
}

TEST(Decimal, order_is_that_of_the_numbers) {
  EXPECT_LT(must(Decimal::parse("-1.5")), must(Decimal::parse("-1.25")));
  EXPECT_LT(must(Decimal::parse("9")), must(Decimal::parse("10")));
}

TEST(Decimal, average_rounds_half_away_from_zero_at_the_twelfth_digit) {
  EXPECT_EQ(average(Decimal::from_int(1), 3).to_string(), "0.333333333333");
  EXPECT_EQ(average(Decimal::from_int(2), 3).to_string(), "0.666666666667");
  EXPECT_EQ(average(Decimal::from_int(-2), 3).to_string(), "-0.666666666667");
  EXPECT_EQ(average(Decimal::from_units(1), 2).to_string(), "0.000000000001");
  EXPECT_EQ(average(Decimal::from_units(-1), 2).to_string(), "-0.000000000001");
  EXPECT_EQ(average(Decimal::from_units(1), 3).to_string(), "0");
  EXPECT_EQ(average(Decimal::from_int(10), 4).to_string(), "2.5");
  EXPECT_EQ(average(Decimal::from_int(1), std::numeric_limits<std::int64_t>::max()).to_string(), "0");
}

}  // namespace
}  // namespace tidemark
