#pragma once

#include <optional>
#include <string>

#include "tidemark/base/clock.hpp"

namespace tidemark::arrivals {

/// The time of arrivals: three readings that move together with the monotonic clock from where they stood at open.
///
/// - stamp(): what arrivals are stamped with. Never falls, not even across starts under a clock that was set back.
/// - age_reference(): what an event's age is measured against: the wall clock at open, moved on. Never ahead of
/// stamp().
/// - trusted(): what claims expire by. Never ahead of age_reference(), and held back by as much as the clock jumped, or
///   the log was silent for more than a day, until the process has run for a day: a clock that was wrong for an hour
///   must not make the key set forget.
///
/// Why no repeat slips through: a claim that arrived at S is dropped only once trusted() > S + window, so
/// age_reference() > S + window >= event time - skew + window >= event time + accepted age: the repeat is too late.
/// *Concurrency*: immutable after construction, but for watch(), which the committer alone calls.
class ArrivalClock {
 public:
  ArrivalClock(Clock& clock, std::optional<Timestamp> last_arrival);

  Timestamp stamp() const noexcept { return stamp_at_open_ + elapsed(); }
  Timestamp age_reference() const noexcept { return wall_at_open_ + elapsed(); }
  Timestamp trusted() const noexcept;
  bool held() const noexcept { return held_ && elapsed() < kHold; }
  /// Not empty when something was odd at open, for people.
  const std::string& warning() const noexcept { return warning_; }

  /// Compares the wall clock with where it should stand; answers a message once for each jump of more than a minute.
  std::string watch();

  /// A silence in the log of more than this is doubted, and the doubt lasts as long.
  static constexpr microseconds kHold = std::chrono::hours(24);

 private:
  microseconds elapsed() const noexcept { return clock_.monotonic() - monotonic_at_open_; }

  Clock& clock_;
  const MonotonicTime monotonic_at_open_;
  const Timestamp wall_at_open_;
  const Timestamp stamp_at_open_;
  Timestamp trusted_at_open_;
  bool held_ = false;
  std::string warning_;
  microseconds known_offset_{};
};

}  // namespace tidemark::arrivals
