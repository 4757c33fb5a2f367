#include "arrival_clock.hpp"

#include <gtest/gtest.h>

#include "tidemark/base/testing/manual_clock.hpp"

namespace tidemark::arrivals {
namespace {

using std::chrono::hours;

constexpr Timestamp kNoon = from_micros(1'750'000'000'000'000);
constexpr microseconds kFortyDays = hours(24 * 40);

TEST(ArrivalClock, moves_with_the_monotonic_clock_and_not_with_the_wall) {
  ManualClock clocks(kNoon);
  ArrivalClock clock(clocks, std::nullopt);
  clocks.advance_monotonic(seconds(5));
  clocks.step_wall(kFortyDays);
  EXPECT_EQ(clock.stamp(), kNoon + seconds(5));
  EXPECT_EQ(clock.trusted(), kNoon + seconds(5));
}

TEST(ArrivalClock, stamps_never_fall_when_the_clock_was_set_back) {
  ManualClock clocks(kNoon);
  const Timestamp last = kNoon + kFortyDays;
  ArrivalClock clock(clocks, last);
  EXPECT_EQ(clock.stamp(), last);
  EXPECT_EQ(clock.age_reference(), kNoon);
  EXPECT_LE(clock.trusted(), kNoon);
  EXPECT_TRUE(clock.held());
  EXPECT_NE(clock.warning().find("before the last arrival"), std::string::npos) << clock.warning();
}

TEST(ArrivalClock, a_jump_ahead_holds_expiry_back_for_a_day_of_running) {
  ManualClock clocks(kNoon);
  const Timestamp last = kNoon - kFortyDays;
  ArrivalClock clock(clocks, last);
  EXPECT_TRUE(clock.held());
  EXPECT_NE(clock.warning().find("40d"), std::string::npos) << clock.warning();
  EXPECT_EQ(clock.trusted(), last);
  clocks.advance(hours(23));
  EXPECT_EQ(clock.trusted(), last + hours(23));
  clocks.advance(hours(1));
  EXPECT_FALSE(clock.held());
  EXPECT_EQ(clock.trusted(), kNoon + hours(24));
}

TEST(ArrivalClock, a_short_pause_between_starts_is_not_doubted) {
  ManualClock clocks(kNoon);
  ArrivalClock clock(clocks, kNoon - hours(23));
  EXPECT_FALSE(clock.held());
  EXPECT_EQ(clock.trusted(), kNoon);
  EXPECT_TRUE(clock.warning().empty());
}

TEST(ArrivalClock, each_jump_of_the_wall_clock_is_reported_once) {
  ManualClock clocks(kNoon);
  ArrivalClock clock(clocks, std::nullopt);
  clocks.advance(hours(1));
  EXPECT_EQ(clock.watch(), "");
  clocks.step_wall(kFortyDays);
  EXPECT_NE(clock.watch().find("ahead"), std::string::npos);
  EXPECT_EQ(clock.watch(), "");
  clocks.step_wall(-2 * kFortyDays);
  EXPECT_NE(clock.watch().find("behind"), std::string::npos);
}

}  // namespace
}  // namespace tidemark::arrivals
