#include "tidemark/log/log.hpp"

#include <algorithm>
#include <utility>

#include "catalog.hpp"
#include "frame.hpp"
#include "id_file.hpp"
#include "reader_impl.hpp"
#include "recovery.hpp"
#include "segment_preparer.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/crash_point.hpp"
#include "tidemark/base/logging.hpp"

namespace tidemark::log {
namespace {

constexpr std::uint64_t kSegmentGrain = 4u << 10;
constexpr std::uint64_t kSegmentBytesMax = 4ull << 30;
// Together with a segment head, which holds the sticky records and the starts of the segment before, a group and the
// echo of its sticky records always fit an empty segment.
constexpr std::uint64_t kGroupShare = 2;
constexpr std::uint64_t kStickyShare = 8;
// A write ends with zeros up to here, as they stand in the file: the system need not read the rest of a page whose part
// it gets, since segments are prepared past its cache.
constexpr std::uint64_t kPageBytes = 4u << 10;
// The next segment is prepared once this share of the current one is used: early enough to be ready when it is needed,
// late enough that a log which hardly grows takes the space of one segment.
constexpr std::uint64_t kPrepareShare = 4;

struct LogMetrics {
  explicit LogMetrics(Metrics& metrics)
      : fsync_seconds(metrics.histogram("tidemark_log_fsync_duration_seconds",
                                        "Time that one sync of a group commit takes.", duration_buckets())),
        bytes(metrics.counter("tidemark_log_bytes_total", "Bytes of frames made durable.")),
        groups(metrics.counter("tidemark_log_groups_total", "Groups made durable.")),
        segments(metrics.gauge("tidemark_log_segments", "Segment files that the log holds.")) {}

  Histogram& fsync_seconds;
  Counter& bytes;
  Counter& groups;
  Gauge& segments;
};

Result<void> check_options(const LogOptions& options) {
  if (options.segment_bytes == 0 || options.segment_bytes % kSegmentGrain != 0 ||
      options.segment_bytes > kSegmentBytesMax) {
    return fail(Errc::kInvalidArgument,
                "segment_bytes must be a multiple of 4 KiB of at most 4 GiB: " + std::to_string(options.segment_bytes));
  }
  return {};
}

template <class Id>
Id random_id(Random& random) {
  Id id;
  random.fill(id.bytes);
  return id;
}

}  // namespace

struct Log::Impl {
  Impl(FileSystem& files_in, Clock& clock_in, Metrics& metrics_in, LogOptions options_in, LogId id_in)
      : files(files_in),
        clock(clock_in),
        metrics(metrics_in),
        options(std::move(options_in)),
        id(id_in),
        preparer(files, options.directory + "/" + std::string(kPreparedName), options.segment_bytes,
                 options.prepare_in_background) {}

  Result<void> open_tail(FoundLog found, RecoveryReport& report);
  Result<void> write_start(Random& random);
  Result<void> commit(GroupBuilder& group);
  Result<void> roll(std::uint64_t group_bytes);
  Result<Segment> make_segment(SegmentHead head, std::uint64_t group_bytes);
  Result<void> write_group(GroupBuilder& group, const StickyPtr& after, std::string_view echo);
  Error poison(Error cause);

  FileSystem& files;
  Clock& clock;
  LogMetrics metrics;
  const LogOptions options;
  const LogId id;
  StartId start;
  Offset start_offset = 0;

  // The committer's alone.
  std::unique_ptr<File> tail;
  std::shared_ptr<const SegmentHead> tail_head;
  std::uint64_t tail_at = 0;  // Where the next frame goes.
  Offset next = 0;
  std::optional<Timestamp> last_arrival;
  StickyPtr sticky = std::make_shared<const Sticky>();  // In force at `next`.
  std::vector<StartMark> tail_starts;                   // Within the newest segment.
  bool failed = false;

  std::unique_ptr<Catalog> catalog;  // Set by open_tail.
  SegmentPreparer preparer;          // Last: its thread stops first.
};

Result<void> Log::Impl::open_tail(FoundLog found, RecoveryReport& report) {
  RecoveredTail recovered;
  report.created = !found.id || !found.id->has_segments;
  if (found.segments.empty()) {
    SegmentHead head;
    head.space = {id, options.partition, 0};
    head.sticky = sticky;
    TIDEMARK_TRY_ASSIGN(Segment first, make_segment(std::move(head), 0));
    found.segments.push_back(std::move(first));
  } else {
    TIDEMARK_TRY_ASSIGN(recovered, recover_tail(files, found.segments.back()));
    // A crash may have come between the last segment's naming and the sync of its name.
    TIDEMARK_TRY(files.sync_directory(options.directory));
    tail = std::move(recovered.file);
    sticky = recovered.sticky;
    tail_starts = std::move(recovered.starts);
  }
  const Segment& newest = found.segments.back();
  tail_head = newest.head;
  tail_at = newest.data_end;
  next = newest.end;
  last_arrival = newest.last_arrival;

  found.starts.insert(found.starts.end(), tail_starts.begin(), tail_starts.end());
  catalog = std::make_unique<Catalog>(std::move(found.segments), std::move(found.starts));
  report.first_offset = catalog->first_offset();
  report.end_offset = next;
  report.torn_bytes_cut = recovered.torn_bytes;
  report.damage = std::move(recovered.damage);
  report.last_arrival = last_arrival;
  if (recovered.must_roll) TIDEMARK_TRY(roll(0));
  return {};
}

Result<void> Log::Impl::write_start(Random& random) {
  start = random_id<StartId>(random);
  start_offset = next;
  const Timestamp now = clock.now();
  GroupBuilder group;
  group.reset(std::max(now, last_arrival.value_or(now)));
  group.add(RecordKind::kStart, as_bytes(encode_start(start, now)));
  return commit(group);
}

Error Log::Impl::poison(Error cause) {
  failed = true;
  // Always kIo: the other codes promise that nothing was written.
  return Error(Errc::kIo, cause.message()).with_context("the log can't go on; restart the server once this is mended");
}

Result<void> Log::Impl::commit(GroupBuilder& group) {
  if (group.count_ == 0) return {};
  if (failed) return fail(Errc::kIo, "the log failed earlier and takes no more; restart the server");
  if (last_arrival && group.arrival_ < *last_arrival) {
    return fail(Errc::kInvalidArgument, "a group can't have arrived before the one before it");
  }
  const std::uint64_t frame_bytes = align_frame(group.buffer_.size());
  if (frame_bytes > std::min(options.max_group_bytes, options.segment_bytes / kGroupShare)) {
    return fail(Errc::kTooLarge, "the group is larger than max_group_bytes or half a segment; split it: " +
                                     std::to_string(frame_bytes) + " bytes");
  }
  StickyPtr after = sticky;
  std::string echo;
  if (!group.sticky_.empty()) {
    auto changed = std::make_shared<Sticky>(*sticky);
    for (const auto& part : group.sticky_) {
      changed->set(part.kind, next + part.index, as_bytes(group.buffer_).subspan(part.at, part.size));
    }
    if (changed->encoded_bytes() > options.segment_bytes / kStickyShare) {
      return fail(Errc::kTooLarge,
                  "the sticky records in force (meter definitions) take more than an eighth of a segment; have fewer, "
                  "or larger segments: " +
                      std::to_string(changed->encoded_bytes()) + " bytes");
    }
    echo.assign(kFrameHeadBytes, '\0');
    changed->append_to(echo);
    after = std::move(changed);
  }
  const std::uint64_t total = frame_bytes + align_frame(echo.size());
  if (total > tail_head->file_bytes - tail_at) TIDEMARK_TRY(roll(total));
  return write_group(group, after, echo);
}

Result<void> Log::Impl::write_group(GroupBuilder& group, const StickyPtr& after, std::string_view echo) {
  const std::size_t plain_bytes = group.buffer_.size();
  FrameHead head;
  head.body_bytes = static_cast<std::uint32_t>(plain_bytes - kFrameHeadBytes);
  head.first = next;
  head.record_count = group.count_;
  head.flags = group.sticky_.empty() ? 0 : FrameHead::kHasSticky;
  head.arrival = group.arrival_;
  head.synced_end = tail_head->space.base + tail_at;
  head.sticky_end = sticky->end();
  group.buffer_.resize(align_frame(plain_bytes));
  const std::size_t frame_bytes = group.buffer_.size();
  group.buffer_.append(echo);
  group.buffer_.resize(align_frame(group.buffer_.size()));
  const std::size_t written_bytes = group.buffer_.size();
  const std::uint64_t page_end = (tail_at + written_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  group.buffer_.resize(std::min(page_end, tail_head->file_bytes) - tail_at);
  const auto frames = std::as_writable_bytes(std::span(group.buffer_)).first(written_bytes);
  seal_frame(frames.first(frame_bytes), head, tail_head->space, tail_at);
  if (!echo.empty()) {
    FrameHead echo_head = head;
    echo_head.body_bytes = static_cast<std::uint32_t>(echo.size() - kFrameHeadBytes);
    echo_head.first = head.end();
    echo_head.record_count = 0;
    echo_head.flags = FrameHead::kEcho;
    echo_head.sticky_end = after->end();
    seal_frame(frames.subspan(frame_bytes), echo_head, tail_head->space, tail_at + frame_bytes);
  }

  TIDEMARK_CRASH_POINT("log.before_write");
  auto written = tail->write_at(tail_at, as_bytes(group.buffer_));
  group.buffer_.resize(plain_bytes);
  if (!written) return fail(poison(std::move(written).error()));
  TIDEMARK_CRASH_POINT("log.after_write");
  const MonotonicTime began = clock.monotonic();
  auto synced = tail->sync();
  if (!synced) return fail(poison(std::move(synced).error()));
  metrics.fsync_seconds.observe(std::chrono::duration<double>(clock.monotonic() - began).count());
  TIDEMARK_CRASH_POINT("log.after_sync");

  CommittedGroup done;
  done.at = tail_at;
  done.data_end = tail_at + written_bytes;
  done.first = next;
  done.end = head.end();
  done.arrival = group.arrival_;
  done.sticky_before = std::exchange(sticky, after);
  if (const auto mark = start_mark(*sticky); mark && mark->offset >= next) {
    done.start = mark;
    tail_starts.push_back(*mark);
  }
  tail_at = done.data_end;
  next = done.end;
  last_arrival = done.arrival;
  catalog->publish(std::move(done));
  metrics.bytes.add(static_cast<double>(written_bytes));
  metrics.groups.add();
  if (tail_at >= tail_head->file_bytes / kPrepareShare) preparer.want();
  return {};
}

Result<void> Log::Impl::roll(std::uint64_t group_bytes) {
  TIDEMARK_ASSERT(next > tail_head->first);  // Two segments can't begin at one offset.
  SegmentHead head;
  head.space = {id, options.partition, tail_head->end_position()};
  head.first = next;
  head.previous_end = tail_head->space.base + tail_at;
  head.previous_arrival = last_arrival;
  head.sticky = sticky;
  head.previous_starts = tail_starts;
  TIDEMARK_TRY_ASSIGN(Segment segment, make_segment(std::move(head), group_bytes));
  tail_head = segment.head;
  tail_at = segment.data_end;
  tail_starts.clear();
  catalog->add(std::move(segment));
  metrics.segments.set(static_cast<double>(catalog->segment_count()));
  return {};
}

/// Makes the file of a segment that begins with `head` and has room for a group, and makes it the tail.
Result<Segment> Log::Impl::make_segment(SegmentHead head, std::uint64_t group_bytes) {
  head.file_bytes = options.segment_bytes;
  const std::string block = encode_segment_head(head);
  if (block.size() + group_bytes > head.file_bytes) {
    return fail(Errc::kTooLarge,
                "the group doesn't fit a segment beside the sticky records in force; set larger "
                "segments: " +
                    std::to_string(group_bytes) + " bytes");
  }
  auto file = preparer.take();
  if (!file && file.error().code() == Errc::kDiskFull) return fail(std::move(file).error());
  if (!file) return fail(poison(std::move(file).error()));

  Segment segment;
  segment.path = options.directory + "/" + segment_name(head.first);
  const auto make = [&]() -> Result<void> {
    TIDEMARK_TRY((*file)->write_at(0, as_bytes(block)));
    TIDEMARK_TRY((*file)->sync());
    TIDEMARK_TRY(files.rename(preparer.path(), segment.path));
    return files.sync_directory(options.directory);
  };
  if (auto made = make(); !made) return fail(poison(std::move(made).error()));
  TIDEMARK_CRASH_POINT("log.segment_rolled");
  tail = std::move(*file);
  segment.data_end = head.head_bytes;
  segment.end = head.first;
  segment.last_arrival = head.previous_arrival;
  segment.head = std::make_shared<const SegmentHead>(std::move(head));
  return segment;
}

Result<std::unique_ptr<Log>> Log::open(FileSystem& files, Clock& clock, Random& random, Metrics& metrics,
                                       LogOptions options, RecoveryReport& report) {
  report = {};
  TIDEMARK_TRY(check_options(options));
  TIDEMARK_TRY(files.make_directories(options.directory));
  TIDEMARK_TRY_ASSIGN(FoundLog found, find_log(files, options));
  IdFile id = found.id.value_or(IdFile{random_id<LogId>(random), options.partition, false});
  if (!found.id) TIDEMARK_TRY(write_id_file(files, options.directory, id));
  if (found.id_file_lost) {
    logging::warning("the log's id file was missing; making it again from the segments",
                     {{"directory", options.directory}, {"log", id.log.to_string()}});
    TIDEMARK_TRY(write_id_file(files, options.directory, id));
  }
  auto impl = std::make_unique<Impl>(files, clock, metrics, std::move(options), id.log);
  TIDEMARK_TRY(impl->open_tail(std::move(found), report));
  if (!id.has_segments) {
    id.has_segments = true;
    TIDEMARK_TRY(write_id_file(files, impl->options.directory, id));
  }
  TIDEMARK_TRY(impl->write_start(random));
  impl->metrics.segments.set(static_cast<double>(impl->catalog->segment_count()));
  return std::unique_ptr<Log>(new Log(std::move(impl)));
}

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;

const LogId& Log::id() const noexcept {
  return impl_->id;
}
PartitionId Log::partition() const noexcept {
  return impl_->options.partition;
}
const StartId& Log::start_id() const noexcept {
  return impl_->start;
}
Offset Log::start_offset() const noexcept {
  return impl_->start_offset;
}
Offset Log::next_offset() const noexcept {
  return impl_->next;
}
Timestamp Log::last_arrival() const noexcept {
  return *impl_->last_arrival;
}
Result<void> Log::commit(GroupBuilder& group) {
  return impl_->commit(group);
}
Offset Log::synced_end() const noexcept {
  return impl_->catalog->synced_end();
}
Offset Log::first_offset() const noexcept {
  return impl_->catalog->first_offset();
}
std::uint64_t Log::bytes_from(Offset offset) const {
  return impl_->catalog->bytes_from(offset);
}
std::optional<StartId> Log::start_at(Offset offset) const {
  return impl_->catalog->start_at(offset);
}

std::unique_ptr<Reader> Log::reader() {
  return std::unique_ptr<Reader>(new Reader(std::make_unique<Reader::Impl>(impl_->files, *impl_->catalog)));
}

std::optional<SegmentInfo> Log::oldest_trimmable(Offset floor, Timestamp keep_from) const {
  return impl_->catalog->oldest_trimmable(floor, keep_from);
}

Result<void> Log::drop_oldest() {
  const auto path = impl_->catalog->oldest_path();
  if (!path) return fail(Errc::kInvalidArgument, "the log's only segment can't be dropped");
  // Removals that reach the disk in another order would leave a gap, and the sync after the last one may have failed.
  TIDEMARK_TRY(impl_->files.sync_directory(impl_->options.directory));
  TIDEMARK_CRASH_POINT("log.before_trim");
  TIDEMARK_TRY(impl_->files.remove(*path));
  impl_->catalog->drop_oldest();
  impl_->metrics.segments.set(static_cast<double>(impl_->catalog->segment_count()));
  TIDEMARK_CRASH_POINT("log.after_trim");
  return impl_->files.sync_directory(impl_->options.directory);
}

std::vector<SegmentInfo> Log::segments() const {
  return impl_->catalog->segments();
}

}  // namespace tidemark::log
