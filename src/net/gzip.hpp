#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "byte_buffer.hpp"

namespace tidemark::net {

/// Unpacks gzip bodies; keeps zlib's 40 KiB of state between them. Confined to one thread.
class GzipUnpacker {
 public:
  enum class Outcome : std::uint8_t { kDone, kMalformed, kTooLarge };

  GzipUnpacker();
  ~GzipUnpacker();
  GzipUnpacker(const GzipUnpacker&) = delete;
  GzipUnpacker& operator=(const GzipUnpacker&) = delete;

  /// Replaces `unpacked` by what `packed` holds: one gzip member or more, whole, with nothing behind the last. Stops as
  /// soon as more than `max_bytes` came out, so a bomb costs no more than the limit.
  Outcome unpack(std::string_view packed, std::size_t max_bytes, ByteBuffer& unpacked);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace tidemark::net
