#include "tidemark/log/group.hpp"

#include "frame.hpp"

namespace tidemark::log {

GroupBuilder::GroupBuilder() {
  reset(Timestamp{});
}

void GroupBuilder::reset(Timestamp arrival) {
  buffer_.assign(kFrameHeadBytes, '\0');
  count_ = 0;
  sticky_.clear();
  arrival_ = arrival;
}

std::uint32_t GroupBuilder::add(RecordKind kind, Bytes payload) {
  append_le(buffer_, static_cast<std::uint8_t>(kind));
  append_varint(buffer_, payload.size());
  if (is_sticky(kind)) sticky_.push_back({kind, count_, buffer_.size(), payload.size()});
  buffer_.append(as_text(payload));
  return count_++;
}

}  // namespace tidemark::log
