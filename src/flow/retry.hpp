#pragma once

#include "tidemark/base/random.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::flow {

/// Waits between attempts: each twice the one before, from `least` to `most`, less up to half by chance so that servers
/// that lost the same database don't come back all at once.
class Retry {
 public:
  Retry(microseconds least, microseconds most, Random& random) : least_(least), most_(most), random_(random) {}

  microseconds next_wait() noexcept;
  void reset() noexcept { wait_ = microseconds(0); }

 private:
  const microseconds least_;
  const microseconds most_;
  Random& random_;
  microseconds wait_{0};
};

}  // namespace tidemark::flow
