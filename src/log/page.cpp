#include <algorithm>
#include <utility>

#include "tidemark/log/reader.hpp"

namespace tidemark::log {

std::span<std::byte> PageMemory::allocate(std::size_t size) {
  const auto free = blocks_.begin() + static_cast<std::ptrdiff_t>(used_);
  const auto fitting = std::find_if(free, blocks_.end(), [size](const Block& block) { return block.size >= size; });
  if (fitting == blocks_.end()) {
    blocks_.push_back({std::make_unique_for_overwrite<std::byte[]>(size), size});
    std::swap(blocks_[used_], blocks_.back());
  } else {
    std::iter_swap(free, fitting);
  }
  return {blocks_[used_++].bytes.get(), size};
}

void Page::clear() {
  records.clear();
  damage.clear();
  next = 0;
  at_end = false;
  last_arrival.reset();
  memory.clear();
}

}  // namespace tidemark::log
