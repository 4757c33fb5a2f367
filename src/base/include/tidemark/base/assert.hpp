#pragma once

namespace tidemark {

/// Reports a broken invariant on standard error and aborts.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace tidemark

/// Checks an invariant in every build. For defects only, never for input or the outside world.
#define TIDEMARK_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : ::tidemark::assertion_failed(#expression, __FILE__, __LINE__))
