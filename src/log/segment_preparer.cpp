#include "segment_preparer.hpp"

#include <algorithm>
#include <utility>

#include "tidemark/base/crash_point.hpp"

namespace tidemark::log {
namespace {

constexpr std::uint64_t kZeroStep = 1u << 20;

}  // namespace

SegmentPreparer::SegmentPreparer(FileSystem& files, std::string path, std::uint64_t bytes, bool background)
    : files_(files), path_(std::move(path)), bytes_(bytes) {
  if (background) thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

SegmentPreparer::~SegmentPreparer() = default;

void SegmentPreparer::want() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kIdle) return;
    state_ = State::kWanted;
  }
  changed_.notify_all();
}

Result<std::unique_ptr<File>> SegmentPreparer::take() {
  if (!thread_.joinable()) return make(std::stop_token());
  const auto wait_for_it = [this] {
    want();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return state_ == State::kDone; });
    state_ = State::kIdle;
    return std::exchange(made_, nullptr);
  };
  auto file = wait_for_it();
  // It may have failed long ago, and there may be room by now.
  if (!file && file.error().code() == Errc::kDiskFull) file = wait_for_it();
  return file;
}

void SegmentPreparer::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return state_ == State::kWanted; })) {
    lock.unlock();
    auto made = make(stop);
    lock.lock();
    made_ = std::move(made);
    state_ = State::kDone;
    changed_.notify_all();
  }
}

Result<std::unique_ptr<File>> SegmentPreparer::make(const std::stop_token& stop) {
  auto file = fill(stop);
  if (!file) static_cast<void>(files_.remove(path_));  // Half a segment helps nobody when the disk is full.
  return file;
}

Result<std::unique_ptr<File>> SegmentPreparer::fill(const std::stop_token& stop) {
  TIDEMARK_TRY_ASSIGN(auto file, files_.open(path_, OpenMode::kCreate));
  TIDEMARK_TRY(file->truncate(0));  // What an earlier attempt left.
  for (std::uint64_t at = 0; at < bytes_; at += kZeroStep) {
    if (stop.stop_requested()) return fail(Errc::kCancelled, "the log closes");
    TIDEMARK_TRY(file->write_zeros(at, std::min(kZeroStep, bytes_ - at)));
  }
  TIDEMARK_TRY(file->sync());
  TIDEMARK_CRASH_POINT("log.segment_prepared");
  return file;
}

}  // namespace tidemark::log
