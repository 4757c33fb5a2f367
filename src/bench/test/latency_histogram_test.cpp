#include "latency_histogram.hpp"

#include <gtest/gtest.h>

namespace tidemark::bench {
namespace {

TEST(LatencyHistogram, nothing_counted_is_zero) {
  EXPECT_EQ(LatencyHistogram().percentile(0.99), 0);
}

TEST(LatencyHistogram, percentiles_are_within_a_64th) {
  LatencyHistogram histogram;
  for (std::uint64_t value = 1; value <= 100'000; ++value) histogram.add(value);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = share * 100'000;
    const auto found = static_cast<double>(histogram.percentile(share));
    EXPECT_GE(found, exact) << share;
    EXPECT_LE(found, exact * (1 + 1.0 / 64)) << share;
  }
  EXPECT_EQ(histogram.percentile(1), 100'000);
  EXPECT_EQ(histogram.count(), 100'000);
}

TEST(LatencyHistogram, one_slow_answer_shows_in_the_last_percentile_alone) {
  LatencyHistogram histogram;
  for (int i = 0; i < 999; ++i) histogram.add(100);
  histogram.add(5'000'000);
  EXPECT_LE(histogram.percentile(0.999), 101);
  EXPECT_EQ(histogram.percentile(1), 5'000'000);
  EXPECT_EQ(histogram.largest(), 5'000'000);
}

TEST(LatencyHistogram, takes_the_largest_number) {
  LatencyHistogram histogram;
  histogram.add(~0ull);
  EXPECT_EQ(histogram.percentile(0.5), ~0ull);
}

}  // namespace
}  // namespace tidemark::bench
