#pragma once

#include <cstddef>
#include <string_view>

namespace tidemark::net {

/// A block of bytes that grows without ever clearing what it gets, and always has room for kBodyPadding bytes behind
/// its capacity. Growing moves it: views into it end then. Large blocks are pages of their own, so that release() gives
/// them back to the system at once.
class ByteBuffer {
 public:
  ByteBuffer() = default;
  ~ByteBuffer() { release(); }
  ByteBuffer(const ByteBuffer&) = delete;
  ByteBuffer& operator=(const ByteBuffer&) = delete;

  char* data() noexcept { return bytes_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  std::string_view view() const noexcept { return {bytes_, size_}; }

  /// The free bytes behind the content.
  char* room() noexcept { return bytes_ + size_; }
  std::size_t room_size() const noexcept { return capacity_ - size_; }
  /// Takes `count` bytes that were written into room() as content.
  void commit(std::size_t count) noexcept { size_ += count; }

  /// Makes the capacity at least `capacity`. Throws std::bad_alloc.
  void reserve(std::size_t capacity);
  /// Makes room for `count` more bytes, doubling so that appending stays linear, though not beyond `most`, which is
  /// at least size() + `count`.
  void grow_for(std::size_t count, std::size_t most);
  void append(std::string_view bytes);
  /// Cuts the content to its first `size` bytes.
  void truncate(std::size_t size) noexcept { size_ = size; }
  /// Drops the first `count` bytes, moving the rest to the front.
  void drop_front(std::size_t count) noexcept;
  void clear() noexcept { size_ = 0; }
  /// Gives the memory back.
  void release() noexcept;
  /// Writes kBodyPadding zero bytes behind the content; they are no part of it.
  void pad() noexcept;

 private:
  char* bytes_ = nullptr;
  std::size_t mapped_ = 0;  ///< The length of the pages; 0 for a small block.
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace tidemark::net
