#include "arrival_clock.hpp"

#include <algorithm>

namespace tidemark::arrivals {

ArrivalClock::ArrivalClock(Clock& clock, std::optional<Timestamp> last_arrival)
    : clock_(clock),
      monotonic_at_open_(clock.monotonic()),
      wall_at_open_(clock.now()),
      stamp_at_open_(last_arrival ? std::max(wall_at_open_, *last_arrival) : wall_at_open_),
      trusted_at_open_(wall_at_open_) {
  if (!last_arrival) return;
  if (wall_at_open_ < *last_arrival - seconds(1)) {
    held_ = true;
    warning_ = "the clock stands " + format_duration(*last_arrival - wall_at_open_) +
               " before the last arrival in the log; arrivals go on from that arrival, and no claim expires before "
               "the clock has caught up";
  } else if (wall_at_open_ - *last_arrival > kHold) {
    held_ = true;
    trusted_at_open_ = *last_arrival;
    warning_ = "the last arrival in the log is " + format_duration(wall_at_open_ - *last_arrival) +
               " old; in case the clock is wrong, claims are kept for another " + format_duration(kHold);
  }
}

Timestamp ArrivalClock::trusted() const noexcept {
  const microseconds since = elapsed();
  return (since < kHold ? trusted_at_open_ : wall_at_open_) + since;
}

std::string ArrivalClock::watch() {
  const microseconds offset = clock_.now() - age_reference();
  if (std::chrono::abs(offset - known_offset_) < std::chrono::minutes(1)) return {};
  known_offset_ = offset;
  const char* direction = offset.count() < 0 ? " behind" : " ahead of";
  return "the wall clock was set: it now stands " + format_duration(std::chrono::abs(offset)) + direction +
         " the time of arrivals, which goes on unchanged until the next start";
}

}  // namespace tidemark::arrivals
