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

std::uint32_t GroupBuilder::add(RecordKind kind, Bytes head, Bytes rest) {
  const std::size_t size = head.size() + rest.size();
  append_le(buffer_, static_cast<std::uint8_t>(kind));
  append_varint(buffer_, size);
  if (is_sticky(kind)) sticky_.push_back({kind, count_, buffer_.size(), size});
  buffer_.append(as_text(head)).append(as_text(rest));
  return count_++;
}

}  // namespace tidemark::log
