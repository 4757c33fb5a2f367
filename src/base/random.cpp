#include "tidemark/base/random.hpp"

#include <sodium/core.h>
#include <sodium/randombytes.h>

#include "tidemark/base/assert.hpp"

namespace tidemark {

void SystemRandom::fill(std::span<std::byte> out) noexcept {
  static const bool ready = sodium_init() >= 0;  // Before it the generator isn't safe to share between threads.
  TIDEMARK_ASSERT(ready);
  randombytes_buf(out.data(), out.size());
}

}  // namespace tidemark
