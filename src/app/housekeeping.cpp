#include "housekeeping.hpp"

#include <cinttypes>
#include <cstdio>

#include "tidemark/base/logging.hpp"
#include "tidemark/meters/totals.hpp"

namespace tidemark::app {
namespace {

constexpr auto kInterval = std::chrono::seconds(1);

std::string digest_name(const log::SegmentInfo& segment) {
  char name[40];
  std::snprintf(name, sizeof name, "%016" PRIx64 ".json", segment.first);
  return name;
}

}  // namespace

Housekeeping::Housekeeping(FileSystem& files, arrivals::Arrivals& arrivals, std::string data, microseconds retention)
    : files_(files), arrivals_(arrivals), digests_(std::move(data) + "/digests"), retention_(retention) {}

Housekeeping::~Housekeeping() {
  stop();
}

void Housekeeping::start() {
  thread_ = std::thread([this] { run(); });
}

void Housekeeping::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

Result<bool> Housekeeping::step() {
  return arrivals_.trim_step(retention_, [this](const log::SegmentInfo& segment) -> Result<void> {
    TIDEMARK_TRY_ASSIGN(const std::string digest, meters::digest_segment(arrivals_.log(), segment));
    TIDEMARK_TRY(files_.make_directories(digests_));
    return replace_file(files_, digests_ + "/" + digest_name(segment), as_bytes(digest));
  });
}

void Housekeeping::run() {
  bool failing = false;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    const Result<bool> dropped = step();
    if (!dropped && !failing) logging::warning("the log could not be trimmed", {{"error", dropped.error()}});
    failing = !dropped;
    lock.lock();
    if (!dropped || !*dropped) wake_.wait_for(lock, kInterval, [this] { return stopping_; });
  }
}

}  // namespace tidemark::app
