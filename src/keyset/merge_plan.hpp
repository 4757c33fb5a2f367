#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace tidemark::keyset {

/// What the plan needs to know of a segment.
struct SegmentExtent {
  std::uint64_t entries = 0;
  std::int64_t min_arrival = 0;
  std::int64_t max_arrival = 0;
};

/// Neighbours [first, end) of the list, to become one segment.
struct MergePlan {
  std::size_t first = 0;
  std::size_t end = 0;
  bool operator==(const MergePlan&) const = default;
};

inline constexpr std::size_t kMergeFanIn = 4;
inline constexpr std::size_t kMergeMaxInputs = 16;  ///< Each takes a buffer of 64 KiB.

/// True if claims of [oldest, newest] may lie in one segment at `now`: they share a bucket of time, or span at most
/// half of their age.
bool may_share_segment(std::int64_t oldest, std::int64_t newest, std::int64_t now, std::int64_t bucket_width);

/// Chooses what to merge next, or nothing. `segments` are oldest first. So that a look-up asks few filters and an entry
/// is still rewritten only a logarithmic number of times:
/// - in the bucket of time that is being filled, kMergeFanIn neighbours of like size merge;
/// - a bucket that is behind becomes one segment;
/// - further back neighbours merge as long as they span at most half of their age, since a segment can only be dropped
///   as a whole.
std::optional<MergePlan> plan_merge(std::span<const SegmentExtent> segments, std::int64_t bucket_width);

}  // namespace tidemark::keyset
