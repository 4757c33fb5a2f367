#include "byte_buffer.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "tidemark/base/assert.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::net {

namespace {

constexpr std::size_t kLeastGrowth = 4096;

// From here on blocks are mapped. malloc would map the first such block too, but keep later ones of its size in its
// arenas: once a body of 8 MiB has been freed, it raises its own threshold to that.
constexpr std::size_t kMappedBytes = 128u << 10;
constexpr std::size_t kPageBytes = 4096;

char* checked(void* block) {
  if (block == nullptr || block == MAP_FAILED) throw std::bad_alloc();
  return static_cast<char*>(block);
}

}  // namespace

void ByteBuffer::reserve(std::size_t capacity) {
  if (capacity <= capacity_) return;
  std::size_t length = capacity + kBodyPadding;
  if (length < kMappedBytes) {
    bytes_ = checked(std::realloc(bytes_, length));
  } else {
    length = (length + kPageBytes - 1) / kPageBytes * kPageBytes;
    if (mapped_ > 0) {
      bytes_ = checked(mremap(bytes_, mapped_, length, MREMAP_MAYMOVE));  // Moves page tables, not bytes.
    } else {
      char* pages = checked(mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
      if (size_ > 0) std::memcpy(pages, bytes_, size_);
      std::free(bytes_);
      bytes_ = pages;
    }
    mapped_ = length;
  }
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
  if (count < size_) std::memmove(bytes_, bytes_ + count, size_ - count);
  size_ -= count;
}

void ByteBuffer::release() noexcept {
  if (mapped_ > 0) {
    munmap(bytes_, mapped_);
  } else {
    std::free(bytes_);
  }
  bytes_ = nullptr;
  mapped_ = size_ = capacity_ = 0;
}

void ByteBuffer::pad() noexcept {
  std::memset(room(), 0, kBodyPadding);
}

}  // namespace tidemark::net
