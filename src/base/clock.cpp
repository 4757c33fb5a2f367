#include "tidemark/base/clock.hpp"

namespace tidemark {

Timestamp SystemClock::now() noexcept {
  return std::chrono::time_point_cast<microseconds>(std::chrono::system_clock::now());
}

MonotonicTime SystemClock::monotonic() noexcept {
  return std::chrono::time_point_cast<microseconds>(std::chrono::steady_clock::now());
}

}  // namespace tidemark
