#include "memory_samples.hpp"

#include <gtest/gtest.h>

namespace tidemark::bench {
namespace {

TEST(MemorySamples, nothing_sampled_is_zero) {
  const MemorySamples samples;
  EXPECT_EQ(samples.first(), 0);
  EXPECT_EQ(samples.largest(), 0);
  EXPECT_EQ(samples.slope_per_minute(), 0);
}

TEST(MemorySamples, one_sample_has_no_slope) {
  MemorySamples samples;
  samples.add(3, 1000);
  EXPECT_EQ(samples.slope_per_minute(), 0);
  EXPECT_EQ(samples.last(), 1000);
}

TEST(MemorySamples, a_steady_growth_is_its_slope) {
  MemorySamples samples;
  for (int second = 0; second < 100; ++second) samples.add(second, 5'000 + static_cast<std::uint64_t>(second) * 20);
  EXPECT_NEAR(samples.slope_per_minute(), 1200, 0.001);
}

TEST(MemorySamples, growth_that_ends_shows_in_the_whole_and_not_in_the_last_half) {
  MemorySamples samples;
  for (int second = 0; second <= 100; ++second) {
    samples.add(second, 1'000 + static_cast<std::uint64_t>(std::min(second, 40)) * 10);
  }
  EXPECT_GT(samples.slope_per_minute(), 0);
  EXPECT_NEAR(samples.slope_per_minute(0.5), 0, 0.001);
  EXPECT_EQ(samples.largest(), 1'400);
}

}  // namespace
}  // namespace tidemark::bench
