#include "retry.hpp"

#include <algorithm>

namespace tidemark::flow {

microseconds Retry::next_wait() noexcept {
  wait_ = std::clamp(wait_ * 2, least_, most_);
  std::uint32_t drawn = 0;
  random_.fill(std::as_writable_bytes(std::span(&drawn, 1)));
  const double cut = static_cast<double>(drawn) / 4294967296.0 / 2;
  return wait_ - microseconds(static_cast<std::int64_t>(static_cast<double>(wait_.count()) * cut));
}

}  // namespace tidemark::flow
