#include "merge_plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace tidemark::keyset {
namespace {

constexpr std::int64_t kBucket = 1'000;

TEST(MergePlan, leaves_one_segment_alone) {
  EXPECT_FALSE(plan_merge({}, kBucket));
  const SegmentExtent one{100, 5, 10};
  EXPECT_FALSE(plan_merge(std::span(&one, 1), kBucket));
}

TEST(MergePlan, in_the_open_bucket_four_of_like_size_merge_and_three_wait) {
  std::vector<SegmentExtent> segments{{100, 1, 1}, {110, 2, 2}, {90, 3, 3}};
  EXPECT_FALSE(plan_merge(segments, kBucket));
  segments.push_back({100, 4, 4});
  EXPECT_EQ(plan_merge(segments, kBucket), (MergePlan{0, 4}));
  segments.insert(segments.begin(), {50'000, 0, 0});
  EXPECT_EQ(plan_merge(segments, kBucket), (MergePlan{1, 5}));
}

TEST(MergePlan, a_bucket_that_is_behind_becomes_one_segment) {
  const std::vector<SegmentExtent> segments{{9'000, 10, 400}, {10, 410, 900}, {100, 1'001, 1'002}};
  EXPECT_EQ(plan_merge(segments, kBucket), (MergePlan{0, 2}));
}

TEST(MergePlan, neighbouring_buckets_stay_apart_until_they_are_twice_as_old_as_wide) {
  std::vector<SegmentExtent> segments{{10, 0, 900}, {10, 1'000, 1'900}, {10, 5'699, 5'699}};
  EXPECT_FALSE(plan_merge(segments, kBucket));
  segments.back() = {10, 5'700, 5'700};
  EXPECT_EQ(plan_merge(segments, kBucket), (MergePlan{0, 2}));
}

/// A store that gets one table after another, merges all it may, and drops what expires.
struct Feed {
  static constexpr std::int64_t kBuckets = 32;
  std::vector<SegmentExtent> segments;
  std::uint64_t written = 0;
  std::uint64_t rewritten = 0;
  std::size_t most_segments = 0;

  void add(std::int64_t now, std::uint64_t entries) {
    segments.push_back({entries, now, now});
    written += entries;
    while (const auto plan = plan_merge(segments, kBucket)) {
      const auto first = segments.begin() + static_cast<std::ptrdiff_t>(plan->first);
      const auto end = segments.begin() + static_cast<std::ptrdiff_t>(plan->end);
      const auto sum = std::accumulate(first, end, std::uint64_t{0},
                                       [](std::uint64_t s, const SegmentExtent& each) { return s + each.entries; });
      rewritten += sum;
      *first = {sum, first->min_arrival, (end - 1)->max_arrival};
      segments.erase(first + 1, end);
    }
    std::erase_if(segments, [&](const SegmentExtent& each) { return each.max_arrival + kBuckets * kBucket <= now; });
    most_segments = std::max(most_segments, segments.size());
    for (const SegmentExtent& each : segments) {
      EXPECT_TRUE(may_share_segment(each.min_arrival, each.max_arrival, now, kBucket));
    }
  }
};

TEST(MergePlan, a_window_of_32_buckets_keeps_few_segments_and_rewrites_a_claim_few_times) {
  for (const std::int64_t per_bucket : {1, 3, 10, 100, 500}) {
    Feed feed;
    for (std::int64_t i = 0; i < per_bucket * 100; ++i) feed.add(i * kBucket / per_bucket, 1'000);
    EXPECT_LE(feed.most_segments, 32U) << per_bucket;
    EXPECT_LE(feed.rewritten, feed.written * 8) << per_bucket;
    const std::string name = std::to_string(per_bucket);
    RecordProperty("segments_at_" + name, static_cast<int>(feed.most_segments));
    RecordProperty("rewritten_times_ten_at_" + name, static_cast<int>(feed.rewritten * 10 / feed.written));
  }
}

}  // namespace
}  // namespace tidemark::keyset
