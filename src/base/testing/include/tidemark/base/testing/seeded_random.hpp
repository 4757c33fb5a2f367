#pragma once

#include <cstdint>
#include <mutex>

#include "tidemark/base/random.hpp"

namespace tidemark {

/// The same numbers for the same seed, on every machine (SplitMix64). Concurrency: safe from every thread; the order in
/// which threads draw is theirs.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) noexcept : state_(seed) {}

  void fill(std::span<std::byte> out) noexcept override;
  std::uint64_t next() noexcept;
  /// A number in [0, bound), bound > 0; the bias is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
  bool coin() noexcept { return (next() >> 63U) != 0; }

 private:
  std::mutex mutex_;
  std::uint64_t state_;  // guarded by mutex_
};

}  // namespace tidemark
