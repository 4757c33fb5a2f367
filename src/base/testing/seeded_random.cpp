#include "tidemark/base/testing/seeded_random.hpp"

#include <algorithm>
#include <cstring>

namespace tidemark {

void SeededRandom::fill(std::span<std::byte> out) noexcept {
  while (!out.empty()) {
    const std::uint64_t value = next();
    const std::size_t size = std::min(out.size(), sizeof value);
    std::memcpy(out.data(), &value, size);
    out = out.subspan(size);
  }
}

std::uint64_t SeededRandom::next() noexcept {
  const std::lock_guard lock(mutex_);
  state_ += 0x9E3779B97F4A7C15U;
  std::uint64_t mixed = state_;
  mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
  return mixed ^ (mixed >> 31U);
}

}  // namespace tidemark
