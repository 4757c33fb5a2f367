#include "merge_plan.hpp"

#include <algorithm>
#include <bit>

namespace tidemark::keyset {
namespace {

/// The higher, the sooner a claim leaves the disk after its window; the lower, the fewer filters a look-up asks.
constexpr std::int64_t kSpanPerAge = 2;

/// Sizes of one class differ by less than kMergeFanIn.
int size_class(std::uint64_t entries) {
  return static_cast<int>(std::bit_width(entries)) / std::countr_zero(kMergeFanIn);
}

/// The newest neighbours in the bucket being filled, once kMergeFanIn of them are of the largest size class among them.
std::optional<MergePlan> plan_in_open_bucket(std::span<const SegmentExtent> segments, std::size_t bucket_first) {
  int largest = 0;
  std::size_t of_largest = 0;
  for (std::size_t first = segments.size(); first > bucket_first; --first) {
    const int size = size_class(segments[first - 1].entries);
    if (size > largest) of_largest = 0;
    largest = std::max(largest, size);
    of_largest += size == largest;
    if (of_largest == kMergeFanIn) return MergePlan{first - 1, std::min(segments.size(), first - 1 + kMergeMaxInputs)};
  }
  return std::nullopt;
}

}  // namespace

bool may_share_segment(std::int64_t oldest, std::int64_t newest, std::int64_t now, std::int64_t bucket_width) {
  return oldest / bucket_width == newest / bucket_width || newest - oldest <= (now - newest) / kSpanPerAge;
}

std::optional<MergePlan> plan_merge(std::span<const SegmentExtent> segments, std::int64_t bucket_width) {
  if (segments.size() < 2) return std::nullopt;
  const std::int64_t now = segments.back().max_arrival;
  const std::int64_t open_bucket = now / bucket_width;
  const auto may_join = [&](const SegmentExtent& oldest, const SegmentExtent& newest) {
    return may_share_segment(oldest.min_arrival, newest.max_arrival, now, bucket_width);
  };
  std::size_t bucket_first = segments.size();
  while (bucket_first > 0 && segments[bucket_first - 1].max_arrival / bucket_width == open_bucket) --bucket_first;

  if (auto plan = plan_in_open_bucket(segments, bucket_first)) return plan;
  for (std::size_t first = 0; first + 1 < bucket_first; ++first) {
    std::size_t end = first + 1;
    while (end < bucket_first && end - first < kMergeMaxInputs && may_join(segments[first], segments[end])) ++end;
    if (end - first > 1) return MergePlan{first, end};
  }
  return std::nullopt;
}

}  // namespace tidemark::keyset
