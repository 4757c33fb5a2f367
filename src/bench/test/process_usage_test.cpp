#include "process_usage.hpp"

#include <gtest/gtest.h>

namespace tidemark::bench {
namespace {

TEST(HostTimes, the_machine_has_spent_time_and_less_was_stolen) {
  const HostTimes times = host_times();
  EXPECT_GT(times.all, 0);
  EXPECT_LT(times.stolen, times.all);
}

TEST(HostTimes, steal_is_a_share_of_the_time_in_between) {
  EXPECT_DOUBLE_EQ(steal_share({1'000, 100}, {1'200, 150}), 0.25);
}

TEST(HostTimes, no_time_in_between_has_no_steal) {
  EXPECT_EQ(steal_share({1'000, 100}, {1'000, 100}), 0);
}

TEST(HostTimes, a_counter_that_fell_counts_as_none) {
  EXPECT_EQ(steal_share({1'000, 100}, {1'200, 90}), 0);
}

}  // namespace
}  // namespace tidemark::bench
