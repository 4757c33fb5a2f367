#include "housekeeping.hpp"

#include <cinttypes>
#include <cstdio>

#include "tidemark/base/logging.hpp"
#include "tidemark/meters/totals.hpp"

namespace tidemark::app {
namespace {

constexpr auto kInterval = std::chrono::seconds(1);
/// The note may be behind by this share of the backlog's bound: each one costs two syncs.
constexpr std::uint64_t kNoteShare = 64;

std::string digest_name(const log::SegmentInfo& segment) {
  char name[40];
  std::snprintf(name, sizeof name, "%016" PRIx64 ".json", segment.first);
  return name;
}

}  // namespace

Housekeeping::Housekeeping(FileSystem& files, arrivals::Arrivals& arrivals, const flow::LogFlow& flow,
                           flow::AppliedNote& note, std::string data, microseconds retention)
    : files_(files),
      arrivals_(arrivals),
      flow_(flow),
      note_(note),
      digests_(std::move(data) + "/digests"),
      retention_(retention) {}

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

bool Housekeeping::is_note_stale() const {
  const log::Log& log = arrivals_.log();
  const std::uint64_t backlog = log.bytes_from(flow_.applied_offset());
  return log.bytes_from(note_.noted()) > backlog + arrivals_.options().backlog_max_bytes / kNoteShare;
}

void Housekeeping::note_applied() {
  const log::Offset applied = flow_.applied_offset();
  if (applied == 0) return;  // Also as long as the database hasn't answered: the older note is the better one.
  const auto taken = note_.take(applied);
  if (!taken && !note_failing_) {
    logging::warning(
        "how far the flow has come could not be noted; a start without its database may count more backlog",
        {{"error", taken.error()}});
  }
  note_failing_ = !taken;
}

void Housekeeping::run() {
  bool failing = false;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    if (is_note_stale()) note_applied();
    const Result<bool> dropped = step();
    if (!dropped && !failing) logging::warning("the log could not be trimmed", {{"error", dropped.error()}});
    failing = !dropped;
    lock.lock();
    if (!dropped || !*dropped) wake_.wait_for(lock, kInterval, [this] { return stopping_; });
  }
}

}  // namespace tidemark::app
