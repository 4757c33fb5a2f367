#include "latency_histogram.hpp"

#include <algorithm>
#include <cmath>

namespace tidemark::bench {

std::uint64_t LatencyHistogram::upper_end(std::size_t bucket) noexcept {
  const std::size_t row = bucket >> kStepBits;
  if (row == 0) return bucket;
  const std::uint64_t step = bucket & ((1u << kStepBits) - 1);
  return (((1ull << kStepBits) + step + 1) << (row - 1)) - 1;
}

std::uint64_t LatencyHistogram::percentile(double share) const noexcept {
  const auto wanted = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total_)));
  std::uint64_t seen = 0;
  for (std::size_t bucket = 0; bucket < counts_.size(); ++bucket) {
    seen += counts_[bucket];
    if (seen >= wanted && seen > 0) return std::min(upper_end(bucket), largest_);
  }
  return largest_;
}

}  // namespace tidemark::bench
