#pragma once

#include <stdexcept>
#include <type_traits>
#include <utility>

#include "tidemark/base/error.hpp"

namespace tidemark {

/// Takes the value out of a step that a test takes for granted. Where the step failed, throws with the error's message,
/// which ends this test alone.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message());
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace tidemark
