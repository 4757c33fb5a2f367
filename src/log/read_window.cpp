#include "read_window.hpp"

#include <algorithm>

namespace tidemark::log {
namespace {

constexpr std::uint64_t kSearchStep = 64u << 10;

}  // namespace

Result<Bytes> ReadWindow::view(std::uint64_t at, std::uint64_t size) {
  if (at >= end_) return Bytes();
  size = std::min(size, end_ - at);
  const bool inside =
      at >= loaded_at_ && at - loaded_at_ <= loaded_.size() && size <= loaded_.size() - (at - loaded_at_);
  if (!inside) TIDEMARK_TRY(load(at, size));
  const std::uint64_t skip = at - loaded_at_;
  return loaded_.subspan(skip, std::min<std::uint64_t>(size, loaded_.size() - skip));
}

Result<void> ReadWindow::load(std::uint64_t at, std::uint64_t size) {
  if (mode_ == Memory::kRecycle) memory_.clear();
  // An eighth more than was asked for, so that of frames larger than a chunk the next head comes along.
  const std::uint64_t wanted = std::min(std::max<std::uint64_t>(size + size / 8, chunk_), end_ - at);
  const std::span<std::byte> out = memory_.allocate(wanted);
  loaded_ = {};
  TIDEMARK_TRY_ASSIGN(const std::size_t got, file_.read_at(at, out));
  loaded_at_ = at;
  loaded_ = out.first(got);
  return {};
}

Result<std::optional<FoundFrame>> find_frame(ReadWindow& window, const FrameSpace& space, std::uint64_t from,
                                             std::uint64_t end, std::uint64_t file_bytes,
                                             const std::function<bool(const FrameHead&)>& wanted) {
  std::uint64_t at = align_frame(from);
  while (at < end) {
    TIDEMARK_TRY_ASSIGN(const Bytes bytes, window.view(at, kSearchStep + kFrameHeadBytes));
    if (bytes.size() < kFrameHeadBytes) break;
    const std::uint64_t last = std::min<std::uint64_t>(bytes.size() - kFrameHeadBytes, end - 1 - at);
    for (std::uint64_t i = 0; i <= last; i += kFrameAlignment) {
      if (load_le<std::uint32_t>(&bytes[i]) != kFrameMagic) continue;
      const auto head = read_frame_head(bytes.subspan(i), space, at + i, file_bytes);
      if (head && wanted(*head)) return FoundFrame{at + i, *head};
    }
    at += last / kFrameAlignment * kFrameAlignment + kFrameAlignment;
  }
  return std::nullopt;
}

}  // namespace tidemark::log
