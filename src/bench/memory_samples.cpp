#include "memory_samples.hpp"

#include <algorithm>

namespace tidemark::bench {

std::uint64_t MemorySamples::largest() const noexcept {
  std::uint64_t most = 0;
  for (const Sample& sample : samples_) most = std::max(most, sample.bytes);
  return most;
}

double MemorySamples::slope_per_minute(double from_share) const noexcept {
  if (samples_.empty()) return 0;
  const double begin = samples_.front().at_seconds;
  const double from = begin + (samples_.back().at_seconds - begin) * from_share;
  double count = 0;
  double seconds = 0;
  double bytes = 0;
  for (const Sample& sample : samples_) {
    if (sample.at_seconds < from) continue;
    count += 1;
    seconds += sample.at_seconds;
    bytes += static_cast<double>(sample.bytes);
  }
  double together = 0;
  double spread = 0;
  for (const Sample& sample : samples_) {
    if (sample.at_seconds < from) continue;
    const double away = sample.at_seconds - seconds / count;
    together += away * (static_cast<double>(sample.bytes) - bytes / count);
    spread += away * away;
  }
  return spread == 0 ? 0 : together / spread * 60;
}

}  // namespace tidemark::bench
