#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace tidemark::bench {

/// Counts durations in buckets whose width is at most 1/64 of their value.
class LatencyHistogram {
 public:
  LatencyHistogram() : counts_(kBuckets) {}
  void add(std::uint64_t microseconds) noexcept {
    ++counts_[bucket_of(microseconds)];
    ++total_;
    if (microseconds > largest_) largest_ = microseconds;
  }
  std::uint64_t count() const noexcept { return total_; }
  std::uint64_t largest() const noexcept { return largest_; }
  /// The duration that `share` (0 to 1) of all don't exceed, to the upper end of its bucket; 0 when there are none.
  std::uint64_t percentile(double share) const noexcept;

 private:
  static constexpr unsigned kStepBits = 6;
  static constexpr std::size_t kBuckets = (64 - kStepBits + 1) << kStepBits;
  static std::size_t bucket_of(std::uint64_t value) noexcept {
    const auto width = static_cast<unsigned>(std::bit_width(value));
    if (width <= kStepBits) return value;
    const unsigned shift = width - kStepBits - 1;
    return (static_cast<std::size_t>(shift + 1) << kStepBits) + ((value >> shift) & ((1u << kStepBits) - 1));
  }
  static std::uint64_t upper_end(std::size_t bucket) noexcept;

  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
  std::uint64_t largest_ = 0;
};

}  // namespace tidemark::bench
