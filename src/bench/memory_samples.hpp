#pragma once

#include <cstdint>
#include <vector>

namespace tidemark::bench {

/// A process's memory over time.
class MemorySamples {
 public:
  void add(double at_seconds, std::uint64_t bytes) { samples_.push_back({at_seconds, bytes}); }
  bool empty() const noexcept { return samples_.empty(); }
  std::uint64_t first() const noexcept { return samples_.empty() ? 0 : samples_.front().bytes; }
  std::uint64_t last() const noexcept { return samples_.empty() ? 0 : samples_.back().bytes; }
  std::uint64_t largest() const noexcept;
  /// Bytes a minute of the straight line through the samples from `from_share` (0 to 1) of the time on, by least
  /// squares; 0 where fewer than two of them differ in time.
  double slope_per_minute(double from_share = 0) const noexcept;

 private:
  struct Sample {
    double at_seconds = 0;
    std::uint64_t bytes = 0;
  };
  std::vector<Sample> samples_;
};

}  // namespace tidemark::bench
