#include "tidemark/arrivals/arrivals.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "arrival_clock.hpp"
#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/crash_point.hpp"
#include "tidemark/base/logging.hpp"

namespace tidemark::arrivals {
namespace {

constexpr microseconds kTick = seconds(1);
/// The tail that a start has to read back is kept below this by checkpoints.
constexpr std::uint64_t kTailMaxBytes = 1ull << 30;
/// The free space is looked at again after this much was written, however short the time.
constexpr std::uint64_t kSpaceCheckBytes = 32ull << 20;

}  // namespace

std::string_view DoorState::text() const noexcept {
  switch (reason) {
    case Reason::kOpen:
      return "open";
    case Reason::kStarting:
      return "the server is starting";
    case Reason::kStopping:
      return "the server is shutting down";
    case Reason::kBacklogFull:
      return "the backlog is full: the database is behind by backlog_max_bytes";
    case Reason::kDiskReserve:
      return "the disk is full up to disk_reserve_bytes";
    case Reason::kFailed:
      return "the log failed; the server must be started again";
  }
  return "closed";
}

struct Arrivals::Impl {
  Impl(FileSystem& file_system, Clock& system_clock, Metrics& metrics, ArrivalsOptions opts)
      : files(file_system),
        monotonic(system_clock),
        options(std::move(opts)),
        queue_gauge(metrics.gauge("tidemark_arrivals_queue_bytes", "Encoded bytes waiting for the committer")),
        doors_gauge(metrics.gauge("tidemark_arrivals_doors_open", "1 while events are accepted, else 0")),
        held_gauge(metrics.gauge("tidemark_arrivals_clock_held",
                                 "1 while claims are kept longer because the clock or a silence is doubted")),
        group_histogram(metrics.histogram("tidemark_arrivals_group_submissions", "Requests in one group commit",
                                          {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024})) {}

  Result<void> enqueue(std::span<Submission* const> submissions);

  // The committer's thread.
  void run();
  std::vector<Submission*> take_waiting();
  void commit(std::vector<Submission*>& submissions);
  Result<void> decide(Submission& submission);
  void add_record(Submission& submission);
  void answer(std::vector<Submission*>& submissions);
  void fail_all(std::vector<Submission*>& submissions, const Error& error);
  void checkpoint_failed(const Error& error);
  void tick();
  void check_doors();
  Result<void> restore_tail(ArrivalsReport& report);

  FileSystem& files;
  Clock& monotonic;
  const ArrivalsOptions options;
  std::uint64_t submission_max_bytes = 0;
  std::unique_ptr<log::Log> log;
  std::unique_ptr<keyset::KeySet> keyset;
  std::unique_ptr<ArrivalClock> clock;
  std::function<log::Offset()> applied;
  std::function<log::Offset()> backlog;
  std::function<void(const Error&)> on_fatal;

  Gauge& queue_gauge;
  Gauge& doors_gauge;
  Gauge& held_gauge;
  Histogram& group_histogram;

  std::atomic<DoorState::Reason> doors{DoorState::Reason::kStarting};
  std::atomic<bool> checkpoint_wanted{false};

  std::mutex mutex;  // Guards the five below.
  std::condition_variable wake;
  std::vector<Submission*> waiting;
  std::uint64_t waiting_bytes = 0;
  bool sleeping = false;
  bool stopping = false;

  // Confined to the committer.
  log::GroupBuilder group;
  std::string scratch;
  std::vector<keyset::ClaimRequest> requests;
  std::vector<keyset::ClaimAnswer> answers;
  std::vector<Submission*> same_sink;
  std::uint64_t written_since_check = 0;
  MonotonicTime next_tick{};
  bool failed = false;
  bool keyset_full = false;  // Its last checkpoint found no space.

  std::thread committer;
};

Arrivals::Arrivals(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Arrivals::~Arrivals() {
  if (impl_ && impl_->committer.joinable()) stop();
}

Result<std::unique_ptr<Arrivals>> Arrivals::open(FileSystem& files, Clock& clock, Random& random, Metrics& metrics,
                                                 ArrivalsOptions options, ArrivalsReport& report) {
  auto impl = std::make_unique<Impl>(files, clock, metrics, std::move(options));
  const ArrivalsOptions& opts = impl->options;
  TIDEMARK_TRY(files.make_directories(opts.directory));

  log::LogOptions log_options;
  log_options.directory = opts.directory + "/log";
  log_options.segment_bytes = opts.log_segment_bytes;
  log_options.max_group_bytes = std::min<std::uint64_t>(log_options.max_group_bytes, opts.log_segment_bytes / 2);
  impl->submission_max_bytes = log_options.max_group_bytes - std::min<std::uint64_t>(log_options.max_group_bytes, 4096);
  TIDEMARK_TRY_ASSIGN(impl->log, log::Log::open(files, clock, random, metrics, log_options, report.log));

  keyset::KeySetOptions keyset_options;
  keyset_options.directory = opts.directory + "/keyset";
  keyset_options.window = opts.identity_window;
  keyset_options.memory_bytes = opts.keyset_memory_bytes;
  TIDEMARK_TRY_ASSIGN(
      impl->keyset, keyset::KeySet::open(files, random, metrics, keyset_options, impl->log->id().bytes, report.keyset));

  impl->clock = std::make_unique<ArrivalClock>(clock, report.log.last_arrival);
  report.clock_warning = impl->clock->warning();
  impl->held_gauge.set(impl->clock->held() ? 1 : 0);
  TIDEMARK_TRY(impl->restore_tail(report));
  return std::unique_ptr<Arrivals>(new Arrivals(std::move(impl)));
}

/// Puts back the claims that are in the log but not yet in durable segments.
Result<void> Arrivals::Impl::restore_tail(ArrivalsReport& report) {
  const log::Offset covered = keyset->covered_to();
  if (covered < log->first_offset()) {
    return fail(Errc::kRefused,
                "the log begins after the key set's checkpoint, so identities in between are lost; restore the data "
                "directory from a backup: log begins at " +
                    std::to_string(log->first_offset()) + ", checkpoint covers up to " + std::to_string(covered));
  }
  if (covered > report.log.end_offset) {
    return fail(Errc::kRefused,
                "the log ends before the key set's checkpoint: it is an older copy; restore log and key set from one "
                "backup: log ends at " +
                    std::to_string(report.log.end_offset) + ", checkpoint covers up to " + std::to_string(covered));
  }
  auto reader = log->reader();
  TIDEMARK_TRY(reader->seek(covered));
  log::Page page;
  for (;;) {
    page.clear();
    TIDEMARK_TRY(reader->read({}, page));
    for (const log::Record& record : page.records) {
      RecordReader items(record.kind, record.payload);
      for (std::uint32_t index = 0; index < items.item_count(); ++index) {
        std::optional<Identity> identity;
        if (record.kind == log::RecordKind::kEvents) {
          Event event;
          if (items.next(event)) identity = event.identity;
        } else {
          Increment increment;
          if (items.next(increment)) identity = increment.identity;
        }
        if (!items.ok()) break;
        if (!identity) continue;
        TIDEMARK_TRY(keyset->restore(identity->fingerprint, identity->content, {record.offset, index}, record.arrival));
        ++report.restored_claims;
      }
      if (!items.ok()) {
        return fail(Errc::kUnsupported,
                    "a record of the log has a form that this version doesn't know; run the "
                    "version that wrote it: record " +
                        std::to_string(record.offset));
      }
    }
    TIDEMARK_TRY(keyset->checkpoint_if_due(page.next));
    if (page.at_end) return {};
  }
}

void Arrivals::start(std::function<void(const Error&)> on_fatal) {
  impl_->on_fatal = std::move(on_fatal);
  impl_->doors = DoorState::Reason::kOpen;
  impl_->check_doors();
  impl_->committer = std::thread([this] { impl_->run(); });
}

void Arrivals::stop() {
  Impl& impl = *impl_;
  {
    const std::lock_guard lock(impl.mutex);
    impl.stopping = true;
  }
  impl.wake.notify_one();
  if (impl.committer.joinable()) impl.committer.join();
}

Result<void> Arrivals::admits(const Submission& submission) const {
  if (submission.encoded.size() > impl_->submission_max_bytes) {
    return fail(Errc::kTooLarge, "the request is too large for one segment of the log; send fewer events at a time");
  }
  return {};
}

Result<void> Arrivals::submit(std::span<Submission* const> submissions) {
  const DoorState state{impl_->doors.load(std::memory_order_relaxed)};
  if (!state.open()) return fail(Errc::kUnavailable, std::string("not accepting events now: ").append(state.text()));
  return impl_->enqueue(submissions);
}

/// Past the doors: control records come in here too, and may use the disk reserve.
Result<void> Arrivals::Impl::enqueue(std::span<Submission* const> submissions) {
  bool sleeper = false;
  {
    const std::lock_guard lock(mutex);
    if (stopping) return fail(Errc::kUnavailable, "not accepting events now: the server is shutting down");
    if (waiting_bytes > options.queue_max_bytes) {
      return fail(Errc::kUnavailable, "too many events are waiting for the disk; send them again later");
    }
    for (Submission* submission : submissions) {
      TIDEMARK_ASSERT(submission->sink != nullptr && submission->encoded.size() <= submission_max_bytes);
      waiting.push_back(submission);
      waiting_bytes += submission->encoded.size();
    }
    sleeper = std::exchange(sleeping, false);
  }
  if (sleeper) wake.notify_one();
  return {};
}

namespace {

/// Brings one submission back to a thread that waits for it.
class Waiter final : public CompletionSink {
 public:
  void completed(std::span<Submission* const>) noexcept override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    back_.notify_one();  // Under the lock: the waiter is destroyed as soon as it is let go.
  }
  void wait() {
    std::unique_lock lock(mutex_);
    back_.wait(lock, [this] { return done_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable back_;
  bool done_ = false;
};

}  // namespace

Result<log::Offset> Arrivals::append_control(log::RecordKind kind, std::string payload) {
  TIDEMARK_ASSERT(log::is_sticky(kind));
  Waiter waiter;
  Submission submission;
  submission.kind = kind;
  submission.encoded = std::move(payload);
  submission.sink = &waiter;
  TIDEMARK_TRY(admits(submission));
  Submission* const alone = &submission;
  TIDEMARK_TRY(impl_->enqueue({&alone, 1}));
  waiter.wait();
  TIDEMARK_TRY(submission.outcome);
  return impl_->log->synced_end();
}

void Arrivals::Impl::run() {
  for (;;) {
    std::vector<Submission*> submissions = take_waiting();
    const bool idle = submissions.empty();
    if (idle) {
      bool stop_now = false;
      {
        const std::lock_guard lock(mutex);
        stop_now = stopping && waiting.empty();
      }
      if (stop_now) break;
    } else {
      commit(submissions);
    }
    if (const MonotonicTime now = monotonic.monotonic(); idle || now >= next_tick) {
      tick();
      next_tick = now + kTick;
    }
  }
  doors = DoorState::Reason::kStopping;
  doors_gauge.set(0);
  if (failed) return;
  auto checkpoint = keyset->checkpoint_if_due(log->next_offset(), true);
  if (checkpoint) checkpoint = keyset->wait_for_checkpoint();
  if (!checkpoint) {
    logging::warning("last checkpoint of the key set failed; the next start reads the log's tail instead",
                     {{"error", checkpoint.error()}});
  }
}

/// Waits for submissions, at most until the next tick, and takes as many as make a group.
std::vector<Submission*> Arrivals::Impl::take_waiting() {
  std::unique_lock lock(mutex);
  if (waiting.empty() && !stopping) {
    sleeping = true;
    wake.wait_for(lock, kTick, [this] { return !waiting.empty() || stopping; });
    sleeping = false;
  }
  std::vector<Submission*> taken;
  std::size_t count = 0;
  std::uint64_t bytes = 0;
  const std::uint64_t group_bytes = std::min(options.group_max_bytes, submission_max_bytes / 2);
  while (count < waiting.size() && (count == 0 || bytes + waiting[count]->encoded.size() <= group_bytes)) {
    bytes += waiting[count++]->encoded.size();
  }
  if (count == waiting.size()) {
    taken.swap(waiting);
  } else {
    taken.assign(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count));
    waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(count));
  }
  waiting_bytes -= bytes;
  return taken;
}

/// Looks up, reserves, assigns positions, appends, syncs and answers one group.
void Arrivals::Impl::commit(std::vector<Submission*>& submissions) {
  if (failed) {
    return fail_all(submissions, Error(Errc::kUnavailable, std::string(DoorState{DoorState::Reason::kFailed}.text())));
  }
  group.reset(clock->stamp());
  for (Submission* submission : submissions) {
    if (auto decided = decide(*submission); !decided) return fail_all(submissions, decided.error());
  }
  TIDEMARK_CRASH_POINT("arrivals.after_lookup");
  if (group.record_count() > 0) {
    written_since_check += group.size_bytes();
    if (auto synced = log->commit(group); !synced) return fail_all(submissions, synced.error());
  }
  TIDEMARK_CRASH_POINT("arrivals.before_reply");
  group_histogram.observe(static_cast<double>(submissions.size()));
  answer(submissions);
  TIDEMARK_CRASH_POINT("arrivals.after_reply");
  if (auto checkpoint = keyset->checkpoint_if_due(log->next_offset()); !checkpoint)
    checkpoint_failed(checkpoint.error());
  if (written_since_check >= kSpaceCheckBytes) check_doors();
}

/// Gives each item its verdict and adds the record of those to be stored to the group.
Result<void> Arrivals::Impl::decide(Submission& submission) {
  if (log::is_sticky(submission.kind)) {
    group.add(submission.kind, as_bytes(submission.encoded));
    submission.stored = true;
    return {};
  }
  const Timestamp oldest = clock->age_reference() - options.max_event_age;
  requests.clear();
  for (const Submission::Item& item : submission.items) {
    if (!item.has_identity) continue;
    requests.push_back(item.claim);
    requests.back().look_up_only = item.has_time && item.time < oldest;
  }
  answers.assign(requests.size(), {});
  if (!requests.empty()) {
    TIDEMARK_TRY(
        keyset->claim(requests, log->next_offset() + group.record_count(), group.arrival(), clock->trusted(), answers));
  }

  submission.verdicts.clear();
  std::size_t claim = 0;
  bool refused = false;
  for (const Submission::Item& item : submission.items) {
    Verdict verdict = Verdict::kNew;
    if (item.has_identity) {
      const keyset::ClaimAnswer& known = answers[claim];
      if (!known.is_new) {
        verdict = known.same_content ? Verdict::kDuplicate : Verdict::kConflict;
      } else if (requests[claim].look_up_only) {
        verdict = Verdict::kTooLate;
      }
      ++claim;
    }
    refused = refused || verdict == Verdict::kConflict || verdict == Verdict::kTooLate;
    submission.stored = submission.stored || verdict == Verdict::kNew;
    submission.verdicts.push_back(verdict);
  }
  if (refused && submission.all_or_nothing) {
    keyset->release(requests, answers);
    submission.stored = false;
  }
  if (submission.stored) add_record(submission);
  return {};
}

void Arrivals::Impl::add_record(Submission& submission) {
  const auto fresh =
      static_cast<std::uint32_t>(std::count(submission.verdicts.begin(), submission.verdicts.end(), Verdict::kNew));
  scratch.clear();
  encode_record_head(scratch, submission.tenant, fresh);
  if (fresh == submission.items.size()) {
    group.add(submission.kind, as_bytes(scratch), as_bytes(submission.encoded));
    return;
  }
  for (std::size_t i = 0; i < submission.items.size(); ++i) {
    if (submission.verdicts[i] != Verdict::kNew) continue;
    const Submission::Item& item = submission.items[i];
    scratch.append(submission.encoded, item.begin, item.end - item.begin);
  }
  group.add(submission.kind, as_bytes(scratch));
}

/// Gives submissions back, one call for each sink. A submission belongs to its sink again from then on.
void Arrivals::Impl::answer(std::vector<Submission*>& submissions) {
  while (!submissions.empty()) {
    CompletionSink* sink = submissions.front()->sink;
    same_sink.clear();
    std::size_t kept = 0;
    for (Submission* submission : submissions) {
      if (submission->sink == sink) {
        same_sink.push_back(submission);
      } else {
        submissions[kept++] = submission;
      }
    }
    submissions.resize(kept);
    sink->completed(same_sink);
  }
}

void Arrivals::Impl::fail_all(std::vector<Submission*>& submissions, const Error& error) {
  const bool first = !std::exchange(failed, true);
  doors = DoorState::Reason::kFailed;
  doors_gauge.set(0);
  for (Submission* submission : submissions) {
    // The cause is for the operator's log; a producer can only send the events again.
    submission->outcome = fail(Errc::kUnavailable, "the events could not be made durable; send them again");
    submission->stored = false;
  }
  answer(submissions);
  if (first && on_fatal) on_fatal(error);
}

/// A full disk closes the doors until a checkpoint works: the claims are in memory and in the log, and the key set
/// tries again by itself. Anything else is for good.
void Arrivals::Impl::checkpoint_failed(const Error& error) {
  if (error.code() == Errc::kDiskFull) {
    keyset_full = true;
    return check_doors();
  }
  std::vector<Submission*> none;
  fail_all(none, error);
}

void Arrivals::Impl::tick() {
  if (failed) return;
  if (const std::string jump = clock->watch(); !jump.empty()) logging::warning("clock jump", {{"detail", jump}});
  held_gauge.set(clock->held() ? 1 : 0);
  std::vector<Submission*> none;
  if (auto expired = keyset->expire(clock->trusted()); !expired) return fail_all(none, expired.error());
  if (auto error = keyset->background_error()) return fail_all(none, *error);
  const bool long_tail = log->bytes_from(keyset->covered_to()) > kTailMaxBytes;
  if (checkpoint_wanted.exchange(false) || long_tail || keyset_full) {
    auto done = keyset->checkpoint_if_due(log->next_offset(), true);
    keyset_full = false;
    if (!done) checkpoint_failed(done.error());
  }
  check_doors();
}

/// Closes the doors past a bound, and opens them again once there is some room below it.
void Arrivals::Impl::check_doors() {
  written_since_check = 0;
  const DoorState::Reason before = doors;
  if (before == DoorState::Reason::kFailed || before == DoorState::Reason::kStopping) return;
  auto reason = DoorState::Reason::kOpen;
  const std::uint64_t reserve = options.disk_reserve_bytes;
  const auto free = files.free_bytes(options.directory);
  const bool was_short = before == DoorState::Reason::kDiskReserve;
  if (keyset_full || (free && *free < reserve + (was_short ? reserve / 16 : 0))) {
    reason = DoorState::Reason::kDiskReserve;
  }
  if (backlog) {
    const bool was_full = before == DoorState::Reason::kBacklogFull;
    const std::uint64_t limit = options.backlog_max_bytes - (was_full ? options.backlog_max_bytes / 16 : 0);
    if (log->bytes_from(backlog()) > limit) reason = DoorState::Reason::kBacklogFull;
  }
  doors = reason;
  doors_gauge.set(reason == DoorState::Reason::kOpen ? 1 : 0);
  {
    const std::lock_guard lock(mutex);
    queue_gauge.set(static_cast<double>(waiting_bytes));
  }
  if (reason == before) return;
  if (reason == DoorState::Reason::kOpen) {
    logging::info("doors opened");
  } else {
    logging::warning("doors closed", {{"reason", DoorState{reason}.text()}});
  }
}

Timestamp Arrivals::now() const noexcept {
  return impl_->clock->stamp();
}

Timestamp Arrivals::trusted() const noexcept {
  return impl_->clock->trusted();
}
DoorState Arrivals::doors() const noexcept {
  return {impl_->doors.load()};
}
const FingerprintKey& Arrivals::fingerprint_key() const noexcept {
  return impl_->keyset->fingerprint_key();
}
log::Log& Arrivals::log() noexcept {
  return *impl_->log;
}
const ArrivalsOptions& Arrivals::options() const noexcept {
  return impl_->options;
}
void Arrivals::set_applied(std::function<log::Offset()> applied, std::function<log::Offset()> backlog) {
  impl_->applied = std::move(applied);
  impl_->backlog = std::move(backlog);
}
keyset::KeySetStats Arrivals::keyset_stats() const {
  return impl_->keyset->stats();
}

std::uint64_t Arrivals::backlog_bytes() const {
  return impl_->backlog ? impl_->log->bytes_from(impl_->backlog()) : 0;
}

Result<bool> Arrivals::trim_step(microseconds retention,
                                 const std::function<Result<void>(const log::SegmentInfo&)>& before_drop) {
  Impl& impl = *impl_;
  const log::Offset applied = impl.applied ? impl.applied() : 0;
  const log::Offset covered = impl.keyset->covered_to();
  const Timestamp keep_from = now() - retention;
  const auto segment = impl.log->oldest_trimmable(std::min(applied, covered), keep_from);
  if (!segment) {
    // Only the key set's checkpoint is in the way: ask for one.
    if (covered < applied && impl.log->oldest_trimmable(applied, keep_from)) impl.checkpoint_wanted = true;
    return false;
  }
  TIDEMARK_TRY(before_drop(*segment));
  TIDEMARK_TRY(impl.log->drop_oldest());
  return true;
}

}  // namespace tidemark::arrivals
