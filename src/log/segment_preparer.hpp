#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "tidemark/base/file_system.hpp"

namespace tidemark::log {

/// The name that a segment has until it is rolled to; what lies there at open is a leftover.
inline constexpr std::string_view kPreparedName = "next.tmp";

/// Makes the file of the next segment: full of zeros, synced, under a temporary name, so that no later write within it
/// needs space or metadata. *Concurrency*: want() and take() from the committer; one thread of its own, or none.
class SegmentPreparer {
 public:
  SegmentPreparer(FileSystem& files, std::string path, std::uint64_t bytes, bool background);
  ~SegmentPreparer();
  SegmentPreparer(const SegmentPreparer&) = delete;
  SegmentPreparer& operator=(const SegmentPreparer&) = delete;

  /// Starts on the next file, unless it is being made or ready, or there is no thread.
  void want();
  /// Hands the file over, waiting for it if need be. After an error the next call tries anew.
  Result<std::unique_ptr<File>> take();
  /// Name of the file that take() hands over.
  const std::string& path() const noexcept { return path_; }

 private:
  enum class State : std::uint8_t { kIdle, kWanted, kDone };

  void run(const std::stop_token& stop);
  Result<std::unique_ptr<File>> make(const std::stop_token& stop);
  Result<std::unique_ptr<File>> fill(const std::stop_token& stop);

  FileSystem& files_;
  const std::string path_;
  const std::uint64_t bytes_;

  std::mutex mutex_;
  std::condition_variable_any changed_;
  State state_ = State::kIdle;                   // Guarded by mutex_.
  Result<std::unique_ptr<File>> made_{nullptr};  // Guarded by mutex_; meant when kDone.

  std::jthread thread_;  // Last: stops before what it uses dies.
};

}  // namespace tidemark::log
