#include "tidemark/base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace tidemark {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
  // Standard error directly: the logger may be what broke.
  std::fprintf(stderr, "assertion failed: %s at %s:%d\n", expression, file, line);
  std::abort();
}

}  // namespace tidemark
