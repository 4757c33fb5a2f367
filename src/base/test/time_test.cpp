#include "tidemark/base/time.hpp"

#include <gtest/gtest.h>

#include "tidemark/base/clock.hpp"
#include "tidemark/base/testing/manual_clock.hpp"
#include "tidemark/base/testing/must.hpp"

namespace tidemark {
namespace {

struct TimeCase {
  std::string_view text;
  std::string_view written;  ///< Empty: refused.
};

class Rfc3339 : public ::testing::TestWithParam<TimeCase> {};

TEST_P(Rfc3339, is_read_as_utc_or_refused) {
  const auto& [text, written] = GetParam();
  const auto parsed = parse_rfc3339(text);
  if (written.empty()) {
    ASSERT_FALSE(parsed) << format_rfc3339(*parsed);
    EXPECT_EQ(parsed.error().code(), Errc::kInvalidArgument);
  } else {
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(format_rfc3339(*parsed), written);
  }
}

INSTANTIATE_TEST_SUITE_P(Forms, Rfc3339,
                         ::testing::Values(TimeCase{"2024-05-01T12:30:00Z", "2024-05-01T12:30:00Z"},
                                           TimeCase{"2024-05-01t12:30:00z", "2024-05-01T12:30:00Z"},
                                           TimeCase{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
                                           TimeCase{"1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500000Z"},
                                           TimeCase{"2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"},
                                           TimeCase{"2000-02-29T00:00:00Z", "2000-02-29T00:00:00Z"}));
INSTANTIATE_TEST_SUITE_P(Offsets, Rfc3339,
                         ::testing::Values(TimeCase{"2024-05-01T12:30:00+02:00", "2024-05-01T10:30:00Z"},
                                           TimeCase{"2024-05-01T12:30:00-05:30", "2024-05-01T18:00:00Z"},
                                           TimeCase{"2024-12-31T23:30:00-01:00", "2025-01-01T00:30:00Z"},
                                           TimeCase{"2024-05-01T12:30:00-00:00", "2024-05-01T12:30:00Z"},
                                           TimeCase{"2024-05-01T12:30:00+23:59", "2024-04-30T12:31:00Z"},
                                           TimeCase{"2024-05-01T12:30:00+24:00", ""},
                                           TimeCase{"2024-05-01T12:30:00+01:60", ""},
                                           TimeCase{"2024-05-01T12:30:00+0100", ""},
                                           TimeCase{"2024-05-01T12:30:00+01", ""},
                                           TimeCase{"2024-05-01T12:30:00", ""}));
INSTANTIATE_TEST_SUITE_P(FractionsAreCutNotRounded, Rfc3339,
                         ::testing::Values(TimeCase{"2024-05-01T12:30:00.1Z", "2024-05-01T12:30:00.100000Z"},
                                           TimeCase{"2024-05-01T12:30:00.000001Z", "2024-05-01T12:30:00.000001Z"},
                                           TimeCase{"2024-05-01T12:30:00.9999999Z", "2024-05-01T12:30:00.999999Z"},
                                           TimeCase{"2024-05-01T12:30:00.0000009Z", "2024-05-01T12:30:00Z"},
                                           TimeCase{"2024-05-01T12:30:00.123456789012345678901234567890+01:00",
                                                    "2024-05-01T11:30:00.123456Z"},
                                           TimeCase{"2024-05-01T12:30:00.Z", ""},
                                           TimeCase{"2024-05-01T12:30:00,5Z", ""}));
INSTANTIATE_TEST_SUITE_P(LeapSecondIsTheFollowingSecond, Rfc3339,
                         ::testing::Values(TimeCase{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
                                           TimeCase{"2017-01-01T00:59:60.5+01:00", "2017-01-01T00:00:00.500000Z"},
                                           TimeCase{"2016-12-31T23:59:61Z", ""}));
INSTANTIATE_TEST_SUITE_P(RangeOfYears, Rfc3339,
                         ::testing::Values(TimeCase{"0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"},
                                           TimeCase{"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
                                           TimeCase{"0000-01-01T00:00:00+00:01", ""},
                                           TimeCase{"9999-12-31T23:59:59-00:01", ""},
                                           TimeCase{"9999-12-31T23:59:60Z", ""}, TimeCase{"10000-01-01T00:00:00Z", ""},
                                           TimeCase{"-001-01-01T00:00:00Z", ""}));
INSTANTIATE_TEST_SUITE_P(NotTimes, Rfc3339,
                         ::testing::Values(TimeCase{"", ""}, TimeCase{"2024", ""}, TimeCase{"2024-05-01", ""},
                                           TimeCase{"2024-05-01 12:30:00Z", ""}, TimeCase{"2024-5-1T12:30:00Z", ""},
                                           TimeCase{"2024-13-01T12:30:00Z", ""}, TimeCase{"2024-00-01T12:30:00Z", ""},
                                           TimeCase{"2024-02-30T12:30:00Z", ""}, TimeCase{"2023-02-29T12:30:00Z", ""},
                                           TimeCase{"1900-02-29T12:30:00Z", ""}, TimeCase{"2024-05-00T12:30:00Z", ""},
                                           TimeCase{"2024-05-01T24:00:00Z", ""}, TimeCase{"2024-05-01T12:60:00Z", ""},
                                           TimeCase{"2024-05-01T12:30Z", ""}, TimeCase{"2024-05-01T12:30:00ZZ", ""},
                                           TimeCase{"2024-05-01T12:30:00Z ", ""}, TimeCase{" 2024-05-01T12:30:00Z", ""},
                                           TimeCase{"+024-05-01T12:30:00Z", ""}, TimeCase{"1714564800", ""}));

TEST(Time, a_refused_time_comes_with_an_example) {
  EXPECT_NE(parse_rfc3339("yesterday").error().message().find("2024-05-01T12:30:00Z"), std::string::npos);
}

TEST(Time, micros_and_text_agree) {
  EXPECT_EQ(to_micros(must(parse_rfc3339("2024-05-01T12:00:00.000001Z"))), 1'714'564'800'000'001);
  EXPECT_EQ(format_rfc3339(from_micros(-1)), "1969-12-31T23:59:59.999999Z");
}

TEST(Time, what_lies_outside_the_years_of_rfc3339_is_written_as_their_end) {
  EXPECT_EQ(format_rfc3339(Timestamp::min()), "0000-01-01T00:00:00Z");
  EXPECT_EQ(format_rfc3339(Timestamp::max()), "9999-12-31T23:59:59.999999Z");
}

struct DurationCase {
  std::string_view text;
  std::int64_t micros;  ///< -1: refused.
  std::string_view written;
};

class Duration : public ::testing::TestWithParam<DurationCase> {};

TEST_P(Duration, is_read_and_written_in_its_largest_whole_unit) {
  const auto& [text, micros, written] = GetParam();
  const auto parsed = parse_duration(text);
  if (micros < 0) {
    ASSERT_FALSE(parsed) << parsed->count();
    EXPECT_EQ(parsed.error().code(), Errc::kInvalidArgument);
  } else {
    ASSERT_TRUE(parsed) << parsed.error().message();
    EXPECT_EQ(parsed->count(), micros);
    EXPECT_EQ(format_duration(*parsed), written);
    EXPECT_EQ(must(parse_duration(format_duration(*parsed))), *parsed);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Read, Duration,
    ::testing::Values(DurationCase{"0s", 0, "0s"}, DurationCase{"1us", 1, "1us"}, DurationCase{"1ms", 1000, "1ms"},
                      DurationCase{"1500ms", 1'500'000, "1500ms"}, DurationCase{"90s", 90'000'000, "90s"},
                      DurationCase{"60s", 60'000'000, "1m"}, DurationCase{"1h30m", 5'400'000'000, "90m"},
                      DurationCase{"24h", 86'400'000'000, "1d"}, DurationCase{"32d", 2'764'800'000'000, "32d"},
                      DurationCase{"1w", 604'800'000'000, "7d"}, DurationCase{"1d1us", 86'400'000'001, "86400000001us"},
                      DurationCase{"36500d", 3'153'600'000'000'000, "36500d"},
                      DurationCase{"9223372036854775807us", 9'223'372'036'854'775'807, "9223372036854775807us"}));
INSTANTIATE_TEST_SUITE_P(
    Refused, Duration,
    ::testing::Values(DurationCase{"", -1, ""}, DurationCase{"5", -1, ""}, DurationCase{"s", -1, ""},
                      DurationCase{"-5s", -1, ""}, DurationCase{"+5s", -1, ""}, DurationCase{"1.5s", -1, ""},
                      DurationCase{"5 s", -1, ""}, DurationCase{" 5s", -1, ""}, DurationCase{"5s ", -1, ""},
                      DurationCase{"5S", -1, ""}, DurationCase{"5min", -1, ""}, DurationCase{"5s5", -1, ""},
                      DurationCase{"1h-5m", -1, ""}, DurationCase{"9223372036854775808us", -1, ""},
                      DurationCase{"106751992d", -1, ""}, DurationCase{"106751991d9999h", -1, ""}));

TEST(Clock, the_machines_clocks_move_on) {
  SystemClock clock;
  EXPECT_GT(clock.now(), must(parse_rfc3339("2024-01-01T00:00:00Z")));
  EXPECT_LT(clock.now(), must(parse_rfc3339("2200-01-01T00:00:00Z")));
  const MonotonicTime before = clock.monotonic();
  EXPECT_GE(clock.monotonic(), before);
}

TEST(ManualClock, moves_its_hands_together_or_apart) {
  ManualClock clock(from_micros(1000));
  const MonotonicTime start = clock.monotonic();
  clock.advance(seconds(1));
  clock.step_wall(-seconds(5));
  EXPECT_EQ(to_micros(clock.now()), 1000 - 4'000'000);
  EXPECT_EQ(clock.monotonic() - start, seconds(1));
  clock.advance_monotonic(seconds(2));
  clock.set_wall(from_micros(7));
  EXPECT_EQ(to_micros(clock.now()), 7);
  EXPECT_EQ(clock.monotonic() - start, seconds(3));
}

}  // namespace
}  // namespace tidemark
