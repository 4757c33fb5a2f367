#pragma once

#include <atomic>

#include "tidemark/base/clock.hpp"

namespace tidemark {

/// A clock that stands still until a test moves it, each of its two hands on its own. Concurrency: safe from every
/// thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start = from_micros(1'714'564'800'000'000))  // 2024-05-01T12:00:00Z
      : wall_(start.time_since_epoch().count()) {}

  Timestamp now() noexcept override { return from_micros(wall_); }
  MonotonicTime monotonic() noexcept override { return MonotonicTime(microseconds(monotonic_.load())); }

  /// Lets time pass: both clocks move on.
  void advance(microseconds by) noexcept {
    wall_ += by.count();
    monotonic_ += by.count();
  }
  /// Steps the wall clock alone, in either direction, as an operator or NTP would.
  void step_wall(microseconds by) noexcept { wall_ += by.count(); }
  void set_wall(Timestamp to) noexcept { wall_ = to_micros(to); }
  /// Lets time pass while the wall clock stands.
  void advance_monotonic(microseconds by) noexcept { monotonic_ += by.count(); }

 private:
  std::atomic<std::int64_t> wall_;
  std::atomic<std::int64_t> monotonic_{1'000'000};  // Not 0, which code may take for "never".
};

}  // namespace tidemark
