#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "byte_buffer.hpp"

namespace tidemark::net {

/// Takes the chunked framing off one request body, fed with bytes as they arrive. Strict: a size is 1 to 16 hexadecimal
/// digits followed at once by CRLF or by `;` and an extension, which is ignored; lines end in CRLF; trailers are
/// dropped. *Limits*: the body, and kMaxChunkOverhead bytes for extensions and trailers together.
class ChunkDecoder {
 public:
  enum class State : std::uint8_t { kNeedMore, kDone, kMalformed, kTooLarge };

  explicit ChunkDecoder(std::size_t max_body_bytes) : max_body_bytes_(max_body_bytes) {}

  /// Appends the payload in `bytes` to `body`; `used` is how many of the bytes belonged to this message: all of them
  /// unless done. Not to be called again after another state than kNeedMore.
  State feed(std::string_view bytes, ByteBuffer& body, std::size_t& used);

 private:
  enum class Expect : std::uint8_t {
    kFirstDigit,
    kDigit,
    kExtension,
    kSizeFeed,
    kData,
    kDataReturn,
    kDataFeed,
    kTrailerStart,
    kTrailer,
    kTrailerFeed,
    kLastFeed
  };
  State step(char c);
  State digit(char c);
  State end_of_size();
  bool count_overhead() noexcept { return ++overhead_ <= kMaxChunkOverhead; }

  static constexpr std::size_t kMaxChunkOverhead = 16u << 10;
  static constexpr int kMaxSizeDigits = 16;

  std::size_t max_body_bytes_;
  Expect expect_ = Expect::kFirstDigit;
  int digits_ = 0;
  std::uint64_t left_ = 0;     ///< Of the current chunk.
  std::size_t body_size_ = 0;  ///< Announced so far, the current chunk included.
  std::size_t overhead_ = 0;
};

}  // namespace tidemark::net
