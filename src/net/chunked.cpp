#include "chunked.hpp"

#include <algorithm>

#include "ascii.hpp"

namespace tidemark::net {

ChunkDecoder::State ChunkDecoder::feed(std::string_view bytes, ByteBuffer& body, std::size_t& used) {
  used = 0;
  while (used < bytes.size()) {
    if (expect_ == Expect::kData) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - used));
      body.grow_for(count, std::max(max_body_bytes_, body.size() + count));
      body.append(bytes.substr(used, count));
      used += count;
      left_ -= count;
      if (left_ == 0) expect_ = Expect::kDataReturn;
      continue;
    }
    const State state = step(bytes[used++]);
    if (state != State::kNeedMore) return state;
  }
  return State::kNeedMore;
}

ChunkDecoder::State ChunkDecoder::step(char c) {
  const auto expect = [&](char wanted, Expect next) {
    expect_ = next;
    return c == wanted ? State::kNeedMore : State::kMalformed;
  };
  switch (expect_) {
    case Expect::kFirstDigit:
    case Expect::kDigit:
      return digit(c);
    case Expect::kExtension:
      if (c == '\r') {
        expect_ = Expect::kSizeFeed;
      } else if (c == '\n' || !count_overhead()) {
        return State::kMalformed;
      }
      return State::kNeedMore;
    case Expect::kSizeFeed:
      return c == '\n' ? end_of_size() : State::kMalformed;
    case Expect::kDataReturn:
      return expect('\r', Expect::kDataFeed);
    case Expect::kDataFeed:
      return expect('\n', Expect::kFirstDigit);
    case Expect::kTrailerStart:
      if (c == '\r') {
        expect_ = Expect::kLastFeed;
        return State::kNeedMore;
      }
      expect_ = Expect::kTrailer;
      [[fallthrough]];
    case Expect::kTrailer:
      if (c == '\r') {
        expect_ = Expect::kTrailerFeed;
      } else if (c == '\n' || !count_overhead()) {
        return State::kMalformed;
      }
      return State::kNeedMore;
    case Expect::kTrailerFeed:
      return expect('\n', Expect::kTrailerStart);
    case Expect::kLastFeed:
      return c == '\n' ? State::kDone : State::kMalformed;
    case Expect::kData:
      break;
  }
  return State::kMalformed;
}

ChunkDecoder::State ChunkDecoder::digit(char c) {
  if (const int value = hex_digit(c); value >= 0) {
    if (expect_ == Expect::kFirstDigit) {
      digits_ = 0;
      left_ = 0;
      expect_ = Expect::kDigit;
    }
    left_ = left_ << 4 | static_cast<std::uint64_t>(value);
    return ++digits_ <= kMaxSizeDigits ? State::kNeedMore : State::kMalformed;
  }
  if (expect_ == Expect::kFirstDigit) return State::kMalformed;
  if (c != '\r' && c != ';') return State::kMalformed;
  expect_ = c == '\r' ? Expect::kSizeFeed : Expect::kExtension;
  return State::kNeedMore;
}

ChunkDecoder::State ChunkDecoder::end_of_size() {
  if (left_ == 0) {
    expect_ = Expect::kTrailerStart;
    return State::kNeedMore;
  }
  if (left_ > max_body_bytes_ - body_size_) return State::kTooLarge;
  body_size_ += static_cast<std::size_t>(left_);
  expect_ = Expect::kData;
  return State::kNeedMore;
}

}  // namespace tidemark::net
