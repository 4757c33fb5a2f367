#include "byte_buffer.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tidemark/base/assert.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::net {

namespace {
constexpr std::size_t kLeastGrowth = 4096;
}

void ByteBuffer::Free::operator()(char* at) const noexcept {
  std::free(at);
}

void ByteBuffer::reserve(std::size_t capacity) {
  if (capacity <= capacity_) return;
  // realloc moves large blocks by their page tables instead of copying them.
  void* moved = std::realloc(bytes_.get(), capacity + kBodyPadding);
  if (moved == nullptr) throw std::bad_alloc();
  static_cast<void>(bytes_.release());
  bytes_.reset(static_cast<char*>(moved));
  capacity_ = capacity;
}

void ByteBuffer::grow_for(std::size_t count, std::size_t most) {
  if (count <= room_size()) return;
  reserve(std::clamp(std::max(2 * size_, kLeastGrowth), size_ + count, most));
}

void ByteBuffer::append(std::string_view bytes) {
  TIDEMARK_ASSERT(bytes.size() <= room_size());
  if (bytes.empty()) return;
  std::memcpy(room(), bytes.data(), bytes.size());
  size_ += bytes.size();
}

void ByteBuffer::drop_front(std::size_t count) noexcept {
  if (count < size_) std::memmove(bytes_.get(), bytes_.get() + count, size_ - count);
  size_ -= count;
}

void ByteBuffer::release() noexcept {
  bytes_.reset();
  size_ = capacity_ = 0;
}

void ByteBuffer::pad() noexcept {
  std::memset(room(), 0, kBodyPadding);
}

}  // namespace tidemark::net
