#pragma once

#include <cstddef>
#include <span>

namespace tidemark {

/// Where randomness comes from. Concurrency: safe from every thread.
class Random {
 public:
  virtual ~Random() = default;
  /// Fills `out` with unpredictable bytes.
  virtual void fill(std::span<std::byte> out) noexcept = 0;
};

/// The operating system's generator (libsodium).
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) noexcept override;
};

}  // namespace tidemark
