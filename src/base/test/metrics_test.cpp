#include "tidemark/base/metrics.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace tidemark {
namespace {

TEST(Metrics, the_exposition_is_sorted_and_complete) {
  Metrics metrics;
  metrics.gauge("tidemark_z_backlog_bytes", "Bytes waiting.").set(5);
  metrics.counter("tidemark_a_events_total", "Events.", {{"verdict", "new"}}).add(3);
  metrics.counter("tidemark_a_events_total", "Events.", {{"verdict", "duplicate"}}).add();
  EXPECT_EQ(metrics.exposition(),
            "# HELP tidemark_a_events_total Events.\n"
            "# TYPE tidemark_a_events_total counter\n"
            "tidemark_a_events_total{verdict=\"duplicate\"} 1\n"
            "tidemark_a_events_total{verdict=\"new\"} 3\n"
            "# HELP tidemark_z_backlog_bytes Bytes waiting.\n"
            "# TYPE tidemark_z_backlog_bytes gauge\n"
            "tidemark_z_backlog_bytes 5\n");
}

TEST(Metrics, asking_again_answers_the_same_metric) {
  Metrics metrics;
  Counter& first = metrics.counter("tidemark_a_total", "A.", {{"x", "1"}, {"y", "2"}});
  EXPECT_EQ(&metrics.counter("tidemark_a_total", "A.", {{"y", "2"}, {"x", "1"}}), &first);
  EXPECT_NE(&metrics.counter("tidemark_a_total", "A.", {{"x", "1"}}), &first);
}

TEST(Metrics, a_gauge_that_is_not_known_is_left_out) {
  Metrics metrics;
  Gauge& gauge = metrics.gauge("tidemark_a_lag_seconds", "Lag.");
  EXPECT_EQ(metrics.exposition(), "");
  gauge.set(0);
  EXPECT_NE(metrics.exposition().find("tidemark_a_lag_seconds 0\n"), std::string::npos);
  gauge.unset();
  EXPECT_EQ(metrics.exposition(), "");
}

TEST(Metrics, a_histogram_counts_what_lies_at_or_below_each_bound) {
  Metrics metrics;
  Histogram& histogram = metrics.histogram("tidemark_a_sync_seconds", "Sync.", {0.5, 2});
  for (const double value : {0.25, 0.5, 1.0, 8.0}) histogram.observe(value);
  const std::string text = metrics.exposition();
  EXPECT_NE(text.find("_bucket{le=\"0.5\"} 2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("_bucket{le=\"2\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("_bucket{le=\"+Inf\"} 4\n"), std::string::npos) << text;
  EXPECT_NE(text.find("_sum 9.75\n"), std::string::npos) << text;
}

TEST(Metrics, numbers_that_are_read_are_refreshed_before_each_exposition) {
  Metrics metrics;
  int asked = 0;
  metrics.before_exposition([&] { metrics.gauge("tidemark_a_rows", "Rows.").set(++asked); });
  EXPECT_NE(metrics.exposition().find("tidemark_a_rows 1\n"), std::string::npos);
  EXPECT_NE(metrics.exposition().find("tidemark_a_rows 2\n"), std::string::npos);
}

TEST(Metrics, no_count_is_lost_between_threads) {
  Metrics metrics;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&metrics] {
        for (int n = 0; n < 1000; ++n) metrics.counter("tidemark_a_total", "A.").add();
      });
    }
  }
  EXPECT_NE(metrics.exposition().find("tidemark_a_total 4000\n"), std::string::npos);
}

TEST(MetricsDeathTest, one_name_has_one_kind) {
  Metrics metrics;
  metrics.counter("tidemark_a_total", "A.");
  EXPECT_DEATH(metrics.gauge("tidemark_a_total", "A."), "assertion failed");
  EXPECT_DEATH(metrics.gauge("tidemark-a", "A."), "assertion failed");
}

TEST(Metrics, duration_buckets_rise) {
  const auto buckets = duration_buckets();
  EXPECT_TRUE(std::is_sorted(buckets.begin(), buckets.end()));
  EXPECT_EQ(buckets.front(), 0.00005);
  EXPECT_EQ(buckets.back(), 10);
}

}  // namespace
}  // namespace tidemark
