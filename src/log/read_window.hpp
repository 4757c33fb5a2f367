#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>

#include "frame.hpp"
#include "tidemark/base/file_system.hpp"
#include "tidemark/log/reader.hpp"

namespace tidemark::log {

/// A window over a file that moves forward in large reads. Views stay valid while the memory isn't cleared, or, in a
/// window that recycles, until the next view.
class ReadWindow {
 public:
  enum class Memory : std::uint8_t { kKeep, kRecycle };

  /// Reads `chunk` bytes at a time, never beyond `end`. `file` and `memory` outlive the window.
  ReadWindow(File& file, std::uint64_t end, std::size_t chunk, PageMemory& memory, Memory mode)
      : file_(file), end_(end), chunk_(chunk), memory_(memory), mode_(mode) {}

  /// The `size` bytes at `at`; fewer only where the file or the window's end cuts them off. Error: kIo.
  Result<Bytes> view(std::uint64_t at, std::uint64_t size);

 private:
  Result<void> load(std::uint64_t at, std::uint64_t size);

  File& file_;
  const std::uint64_t end_;
  const std::size_t chunk_;
  PageMemory& memory_;
  const Memory mode_;
  std::uint64_t loaded_at_ = 0;
  Bytes loaded_;
};

/// A frame head and its place in the file.
struct FoundFrame {
  std::uint64_t at = 0;
  FrameHead head;
};

/// Searches [from, end) at the frames' alignment for the first valid frame head that `wanted` accepts.
Result<std::optional<FoundFrame>> find_frame(ReadWindow& window, const FrameSpace& space, std::uint64_t from,
                                             std::uint64_t end, std::uint64_t file_bytes,
                                             const std::function<bool(const FrameHead&)>& wanted);

}  // namespace tidemark::log
