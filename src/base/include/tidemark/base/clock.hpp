#pragma once

#include "tidemark/base/time.hpp"

namespace tidemark {

/// Where time comes from. Concurrency: safe from every thread.
class Clock {
 public:
  virtual ~Clock() = default;
  /// The wall clock. May step in either direction.
  virtual Timestamp now() noexcept = 0;
  /// The clock that never steps back.
  virtual MonotonicTime monotonic() noexcept = 0;
};

/// The machine's clocks.
class SystemClock final : public Clock {
 public:
  Timestamp now() noexcept override;
  MonotonicTime monotonic() noexcept override;
};

}  // namespace tidemark
