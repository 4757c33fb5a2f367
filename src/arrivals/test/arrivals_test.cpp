#include "tidemark/arrivals/arrivals.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <future>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/testing/manual_clock.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/seeded_random.hpp"

namespace tidemark::arrivals {
namespace {

using std::chrono::hours;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
constexpr microseconds kDay = hours(24);

/// Counts what comes back, for a thread that waits for it.
class CountingSink final : public CompletionSink {
 public:
  /// Called once, on the committer's thread, when something came back. Set before anything is sent.
  std::function<void()> when_back;

  void completed(std::span<Submission* const> submissions) noexcept override {
    if (auto call = std::exchange(when_back, nullptr)) call();
    const std::lock_guard lock(mutex_);
    back_ += submissions.size();
    arrived_.notify_all();  // Under the lock: who waits may destroy the sink at once.
  }
  void wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return back_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::size_t back_ = 0;
};

Result<void> submit(Arrivals& arrivals, Submission& submission) {
  TIDEMARK_TRY(arrivals.admits(submission));
  Submission* const alone = &submission;
  return arrivals.submit({&alone, 1});
}

struct Sent {
  std::string id;
  std::string content = "a";
  std::optional<Timestamp> time = std::nullopt;
};

class ArrivalsTest : public testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    ArrivalsOptions options;
    options.directory = "data";
    options.identity_window = 32 * kDay;
    options.max_event_age = 31 * kDay;
    options.max_future_skew = std::chrono::minutes(5);
    options.log_segment_bytes = 256 << 10;
    options.keyset_memory_bytes = 1 << 20;
    options.disk_reserve_bytes = 0;
    metrics_ = std::make_unique<Metrics>();
    report_ = {};
    auto opened = Arrivals::open(files_, clock_, random_, *metrics_, options, report_);
    ASSERT_TRUE(opened) << opened.error().message();
    arrivals_ = std::move(*opened);
  }
  void start() {
    arrivals_->start([this](const Error& error) { fatal_.set_value(error.message()); });
  }
  void reopen() {
    arrivals_->stop();
    arrivals_.reset();
    open();
    start();
  }

  void fill(Submission& submission, const std::vector<Sent>& events) {
    submission.clear();
    submission.tenant = "default";
    submission.sink = &sink_;
    for (const Sent& sent : events) {
      Event event;
      event.identity.fingerprint = fingerprint(arrivals_->fingerprint_key(), as_bytes(sent.id));
      event.identity.content = hash64(as_bytes(sent.content));
      event.time = sent.time;
      event.id = sent.id;
      event.source = "test";
      event.type = "use";
      event.subject = "s";
      Submission::Item item;
      item.begin = static_cast<std::uint32_t>(submission.encoded.size());
      encode_event(submission.encoded, event);
      item.end = static_cast<std::uint32_t>(submission.encoded.size());
      item.claim = {event.identity.fingerprint, event.identity.content, false};
      item.has_identity = true;
      item.has_time = sent.time.has_value();
      item.time = sent.time.value_or(Timestamp{});
      submission.items.push_back(item);
    }
  }

  /// While the committer answers `before`, the others begin to wait: they are its next group.
  void submit_in_one_group(
      Submission& before, const std::vector<Submission*>& others, const std::function<void()>& also = [] {}) {
    sink_.when_back = [this, others, also] {
      also();
      for (Submission* other : others) EXPECT_TRUE(submit(*arrivals_, *other));
    };
    ASSERT_TRUE(submit(*arrivals_, before));
  }

  /// Sends one request and waits for its verdicts, written as one letter each: n, d, c, t; empty on an error.
  std::string send(const std::vector<Sent>& events, bool all_or_nothing = false) {
    Submission submission;
    fill(submission, events);
    submission.all_or_nothing = all_or_nothing;
    if (!submit(*arrivals_, submission)) return "";
    sink_.wait_for(++sent_);
    return letters(submission);
  }
  static std::string letters(const Submission& submission) {
    std::string text;
    if (!submission.outcome) return text;
    for (const Verdict verdict : submission.verdicts) text += verdict_name(verdict)[0];
    return text;
  }

  /// The ids of all events in the log, in order.
  std::vector<std::string> logged() {
    std::vector<std::string> ids;
    auto reader = arrivals_->log().reader();
    EXPECT_TRUE(reader->seek(arrivals_->log().first_offset()));
    log::Page page;
    do {
      page.clear();
      EXPECT_TRUE(reader->read({}, page));
      for (const log::Record& record : page.records) {
        if (record.kind != log::RecordKind::kEvents) continue;
        RecordReader items(record.kind, record.payload);
        Event event;
        while (items.next(event)) ids.emplace_back(event.id);
        EXPECT_TRUE(items.ok());
      }
    } while (!page.at_end);
    return ids;
  }

  MemoryFileSystem files_;
  ManualClock clock_;
  SeededRandom random_{1};
  std::unique_ptr<Metrics> metrics_;
  ArrivalsReport report_;
  CountingSink sink_;
  std::promise<std::string> fatal_;
  std::size_t sent_ = 0;
  std::unique_ptr<Arrivals> arrivals_;
};

TEST_F(ArrivalsTest, an_identity_is_new_once) {
  start();
  EXPECT_EQ(send({{"a"}, {"b"}}), "nn");
  EXPECT_EQ(send({{"a"}, {"c"}}), "dn");
  EXPECT_EQ(logged(), (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(ArrivalsTest, the_same_identity_twice_in_one_batch_is_new_then_duplicate_or_conflict) {
  start();
  EXPECT_EQ(send({{"a", "1"}, {"a", "1"}, {"a", "2"}}), "ndc");
  EXPECT_EQ(logged(), (std::vector<std::string>{"a"}));
}

TEST_F(ArrivalsTest, the_same_identity_twice_in_one_group_and_in_the_next) {
  // Whether they share a group is chance; the verdicts are the same.
  Submission first, second;
  fill(first, {{"a", "1"}});
  fill(second, {{"a", "1"}, {"a", "2"}});
  start();
  ASSERT_TRUE(submit(*arrivals_, first));
  ASSERT_TRUE(submit(*arrivals_, second));
  sink_.wait_for(sent_ += 2);
  EXPECT_EQ(letters(first), "n");
  EXPECT_EQ(letters(second), "dc");
  EXPECT_EQ(send({{"a", "1"}}), "d");
  EXPECT_EQ(send({{"a", "2"}}), "c");
}

TEST_F(ArrivalsTest, two_connections_that_race_for_identities_make_each_new_once) {
  start();
  constexpr int kRounds = 200;
  std::map<std::string, int> fresh;
  std::mutex mutex;
  const auto producer = [&] {
    for (int i = 0; i < kRounds; ++i) {
      CountingSink sink;
      Submission submission;
      fill(submission, {{"race" + std::to_string(i)}, {"race" + std::to_string(i + 1)}});
      submission.sink = &sink;
      ASSERT_TRUE(submit(*arrivals_, submission));
      sink.wait_for(1);
      const std::lock_guard lock(mutex);
      for (std::size_t k = 0; k < 2; ++k) {
        fresh["race" + std::to_string(i + static_cast<int>(k))] += submission.verdicts[k] == Verdict::kNew ? 1 : 0;
      }
    }
  };
  std::thread other(producer);
  producer();
  other.join();
  for (const auto& [id, count] : fresh) EXPECT_EQ(count, 1) << id;
  EXPECT_EQ(logged().size(), static_cast<std::size_t>(kRounds + 1));
}

TEST_F(ArrivalsTest, all_or_nothing_stores_nothing_when_one_event_is_in_conflict) {
  start();
  EXPECT_EQ(send({{"a", "1"}}), "n");
  EXPECT_EQ(send({{"b"}, {"a", "2"}, {"c"}}, true), "ncn");
  EXPECT_EQ(logged(), (std::vector<std::string>{"a"}));
  // What was taken back can be claimed afresh.
  EXPECT_EQ(send({{"b"}, {"a", "1"}, {"c"}}, true), "ndn");
}

TEST_F(ArrivalsTest, an_old_event_is_too_late_but_its_retry_is_a_duplicate) {
  start();
  const Timestamp time = clock_.now() - 30 * kDay;
  EXPECT_EQ(send({{"kept", "1", time}}), "n");
  clock_.advance(2 * kDay);
  EXPECT_EQ(send({{"other", "1", time}}), "t");
  EXPECT_EQ(send({{"kept", "1", time}}), "d");
  EXPECT_EQ(logged(), (std::vector<std::string>{"kept"}));
}

TEST_F(ArrivalsTest, a_claim_after_its_window_is_new_and_before_it_is_not) {
  start();
  EXPECT_EQ(send({{"a"}}), "n");
  clock_.advance(31 * kDay);
  EXPECT_EQ(send({{"a"}}), "d");
  clock_.advance(2 * kDay);
  // Expiry is looked at once a second or at the next group after it.
  while (send({{"tick" + std::to_string(sent_)}}) != "n") {
  }
  reopen();
  EXPECT_EQ(send({{"a"}}), "n");
}

TEST_F(ArrivalsTest, claims_survive_a_restart_through_checkpoint_and_tail) {
  start();
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(send({{"x" + std::to_string(i)}}), "n");
  reopen();
  EXPECT_EQ(report_.restored_claims, 0u) << "a clean stop leaves a checkpoint";
  for (int i = 0; i < 3000; i += 37) ASSERT_EQ(send({{"x" + std::to_string(i)}}), "d");
}

TEST_F(ArrivalsTest, after_a_loss_of_power_every_answered_event_is_known_and_logged) {
  start();
  std::set<std::string> acknowledged;
  for (int i = 0; i < 2000; ++i) {
    const std::string id = "x" + std::to_string(i);
    ASSERT_EQ(send({{id}}), "n");
    acknowledged.insert(id);
  }
  const auto dead = files_.snapshot();
  arrivals_->stop();
  arrivals_.reset();
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    files_.restore(dead);
    files_.lose_unsynced(seed);
    open();
    start();
    const auto ids = logged();
    EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()), acknowledged);
    EXPECT_EQ(ids.size(), acknowledged.size());
    for (int i = 0; i < 2000; i += 53) EXPECT_EQ(send({{"x" + std::to_string(i)}}), "d");
    arrivals_->stop();
    arrivals_.reset();
  }
  open();
}

/// One life: opens, sends until something fails or all is sent; answers what was acknowledged as new.
std::set<std::string> live_until_a_fault(FileSystem& files, Clock& clock, const ArrivalsOptions& options) {
  std::set<std::string> acknowledged;
  SeededRandom random(7);
  Metrics metrics;
  ArrivalsReport report;
  auto opened = Arrivals::open(files, clock, random, metrics, options, report);
  if (!opened) return acknowledged;
  Arrivals& arrivals = **opened;
  arrivals.start([](const Error&) {});
  const std::string filler(3000, 'x');
  for (int i = 0; i < 120; ++i) {
    CountingSink sink;
    Submission submission;
    submission.tenant = "default";
    submission.sink = &sink;
    const std::string id = "f" + std::to_string(i);
    Event event;
    event.identity = {fingerprint(arrivals.fingerprint_key(), as_bytes(id)), 1};
    event.id = id;
    event.data = filler;
    encode_event(submission.encoded, event);
    submission.items.push_back({0,
                                static_cast<std::uint32_t>(submission.encoded.size()),
                                {event.identity.fingerprint, 1, false},
                                true,
                                false,
                                {}});
    if (!submit(arrivals, submission)) break;
    sink.wait_for(1);
    if (!submission.outcome) break;
    if (submission.verdicts[0] == Verdict::kNew) acknowledged.insert(id);
  }
  arrivals.stop();
  return acknowledged;
}

TEST(ArrivalsFaults, whatever_operation_fails_and_then_loses_power_nothing_acknowledged_is_lost_or_doubled) {
  ArrivalsOptions options;
  options.directory = "data";
  options.identity_window = 32 * kDay;
  options.max_event_age = 31 * kDay;
  options.log_segment_bytes = 64 << 10;
  options.keyset_memory_bytes = 1 << 20;
  options.disk_reserve_bytes = 0;
  int struck = 0;
  for (const FileOperation operation : {FileOperation::kOpen, FileOperation::kWrite, FileOperation::kSync,
                                        FileOperation::kRename, FileOperation::kSyncDirectory}) {
    for (std::uint64_t after = 0; after < 160; after += 1 + after / 12) {
      MemoryFileSystem files;
      ManualClock clock;
      const Errc code = after % 2 == 0 ? Errc::kIo : Errc::kDiskFull;
      files.inject({.operation = operation, .after = after, .code = code, .written_bytes = after * 7, .repeats = true});
      std::set<std::string> acknowledged = live_until_a_fault(files, clock, options);
      struck += acknowledged.size() < 120 ? 1 : 0;
      files.clear_faults();
      files.lose_unsynced(after);

      SeededRandom random(8);
      Metrics metrics;
      ArrivalsReport report;
      auto opened = Arrivals::open(files, clock, random, metrics, options, report);
      ASSERT_TRUE(opened) << opened.error().message();
      auto reader = (*opened)->log().reader();
      ASSERT_TRUE(reader->seek((*opened)->log().first_offset()));
      std::map<std::string, int> found;
      log::Page page;
      do {
        ASSERT_TRUE(reader->read({}, page));
        EXPECT_TRUE(page.damage.empty());
        for (const log::Record& record : page.records) {
          if (record.kind != log::RecordKind::kEvents) continue;
          RecordReader items(record.kind, record.payload);
          for (Event event; items.next(event);) ++found[std::string(event.id)];
        }
      } while (!page.at_end);
      for (const auto& [id, count] : found) EXPECT_EQ(count, 1) << id;
      for (const std::string& id : acknowledged) {
        EXPECT_TRUE(found.contains(id)) << id << " lost after fault " << after << " of operation "
                                        << static_cast<int>(operation);
      }
      opened->reset();
      // The second life claims only what the first hasn't stored.
      const std::set<std::string> later = live_until_a_fault(files, clock, options);
      for (const auto& [id, count] : found) EXPECT_FALSE(later.contains(id)) << id << " was new twice";
      EXPECT_EQ(later.size() + found.size(), 120u);
    }
  }
  EXPECT_GT(struck, 50) << "too few faults struck for this to prove anything";
}

TEST_F(ArrivalsTest, the_same_identity_from_two_requests_in_one_group_is_new_once) {
  Submission before, first, second;
  fill(before, {{"before"}});
  fill(first, {{"a", "1"}});
  fill(second, {{"a", "1"}, {"a", "2"}, {"b", "1"}});
  start();
  submit_in_one_group(before, {&first, &second});
  sink_.wait_for(sent_ += 3);
  EXPECT_EQ(letters(first), "n");
  EXPECT_EQ(letters(second), "dcn");
  EXPECT_THAT(metrics_->exposition(), HasSubstr("tidemark_arrivals_group_submissions_count 2\n"));
  EXPECT_THAT(metrics_->exposition(), HasSubstr("tidemark_arrivals_group_submissions_sum 3\n"));
  EXPECT_THAT(logged(), ElementsAre("before", "a", "b"));
}

TEST_F(ArrivalsTest, a_repeat_is_no_duplicate_when_the_sync_of_its_owner_fails) {
  Submission before, owner, repeat;
  fill(before, {{"before"}});
  fill(owner, {{"a", "1"}});
  fill(repeat, {{"a", "1"}, {"a", "2"}});
  start();
  submit_in_one_group(before, {&owner, &repeat}, [this] {
    files_.inject(
        {.operation = FileOperation::kSync, .code = Errc::kIo, .path_contains = "data/log/", .repeats = true});
  });
  sink_.wait_for(sent_ += 3);
  for (const Submission* submission : {&owner, &repeat}) {
    ASSERT_FALSE(submission->outcome) << letters(*submission);
    EXPECT_EQ(submission->outcome.error().code(), Errc::kUnavailable);
  }
}

TEST_F(ArrivalsTest, a_failed_sync_answers_unavailable_and_ends_the_process) {
  start();
  EXPECT_EQ(send({{"a"}}), "n");
  files_.inject({.operation = FileOperation::kSync, .code = Errc::kIo, .path_contains = "data/log/", .repeats = true});
  Submission submission;
  fill(submission, {{"b"}});
  ASSERT_TRUE(submit(*arrivals_, submission));
  sink_.wait_for(++sent_);
  ASSERT_FALSE(submission.outcome);
  EXPECT_EQ(submission.outcome.error().code(), Errc::kUnavailable);
  EXPECT_FALSE(submission.stored);
  EXPECT_FALSE(fatal_.get_future().get().empty());
  EXPECT_FALSE(arrivals_->doors().open());
  files_.clear_faults();
  fill(submission, {{"c"}});
  EXPECT_FALSE(submit(*arrivals_, submission)) << "it must never be tried again";
}

TEST_F(ArrivalsTest, a_jump_of_the_clock_between_starts_makes_no_repeat_new) {
  constexpr std::array<microseconds, 2> kJumps = {40 * kDay, -40 * kDay};
  for (const microseconds jump : kJumps) {
    start();
    const std::string id = "jump" + std::to_string(jump.count());
    EXPECT_EQ(send({{id}}), "n");
    arrivals_->stop();
    arrivals_.reset();
    clock_.step_wall(jump);
    open();
    EXPECT_FALSE(report_.clock_warning.empty());
    start();
    EXPECT_EQ(send({{id}}), "d") << jump.count();
    arrivals_->stop();
    arrivals_.reset();
    clock_.step_wall(-jump);
    open();
    start();
    EXPECT_EQ(send({{id}}), "d") << jump.count();
    arrivals_->stop();
    arrivals_.reset();
    open();
  }
}

TEST_F(ArrivalsTest, arrival_stamps_never_fall_whatever_the_clock_does) {
  start();
  Timestamp last = arrivals_->now();
  constexpr std::array<microseconds, 3> kJumps = {40 * kDay, -80 * kDay, 3 * kDay};
  for (const microseconds jump : kJumps) {
    EXPECT_EQ(send({{"s" + std::to_string(jump.count())}}), "n");
    EXPECT_GE(arrivals_->now(), last);
    last = arrivals_->now();
    arrivals_->stop();
    arrivals_.reset();
    clock_.step_wall(jump);
    open();
    EXPECT_GE(arrivals_->now(), last);
    start();
  }
}

TEST_F(ArrivalsTest, an_older_copy_of_the_log_under_a_newer_key_set_is_refused) {
  start();
  EXPECT_EQ(send({{"a"}}), "n");
  arrivals_->stop();
  arrivals_.reset();
  // The log goes back to before the second run; the key set keeps what it has.
  const auto names = files_.list("data/log");
  std::map<std::string, std::string> old;
  for (const std::string& name : *names) old[name] = *files_.durable_contents("data/log/" + name);
  open();
  start();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(send({{"b" + std::to_string(i)}}), "n");
  arrivals_->stop();
  arrivals_.reset();
  const auto newer = files_.list("data/log");
  for (const std::string& name : *newer) ASSERT_TRUE(files_.remove("data/log/" + name));
  for (const auto& [name, contents] : old) {
    ASSERT_TRUE(replace_file(files_, "data/log/" + name, as_bytes(contents)));
  }
  Metrics metrics;
  ArrivalsOptions options;
  options.directory = "data";
  options.identity_window = 32 * kDay;
  options.log_segment_bytes = 256 << 10;
  options.keyset_memory_bytes = 1 << 20;
  auto opened = Arrivals::open(files_, clock_, random_, metrics, options, report_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::kRefused);
  EXPECT_NE(opened.error().message().find("backup"), std::string::npos) << opened.error().message();
}

TEST_F(ArrivalsTest, doors_close_before_the_disk_is_full_and_open_again_alone) {
  arrivals_.reset();
  ArrivalsOptions options;
  options.directory = "data";
  options.identity_window = 32 * kDay;
  options.log_segment_bytes = 256 << 10;
  options.keyset_memory_bytes = 1 << 20;
  options.disk_reserve_bytes = 10 << 20;
  metrics_ = std::make_unique<Metrics>();
  arrivals_ = std::move(*Arrivals::open(files_, clock_, random_, *metrics_, options, report_));
  files_.set_free_bytes(5 << 20);
  start();
  EXPECT_EQ(arrivals_->doors().reason, DoorState::Reason::kDiskReserve);
  EXPECT_EQ(send({{"a"}}), "");
  EXPECT_TRUE(arrivals_->append_control(log::RecordKind::kDefinitions, "[]")) << "control records may use the reserve";
  files_.set_free_bytes(100 << 20);
  while (!arrivals_->doors().open()) std::this_thread::yield();
  EXPECT_EQ(send({{"a"}}), "n");
}

TEST_F(ArrivalsTest, a_full_disk_below_the_key_set_closes_the_doors_and_ends_nothing) {
  start();
  files_.inject(
      {.operation = FileOperation::kOpen, .code = Errc::kDiskFull, .path_contains = "keyset/", .repeats = true});
  std::uint64_t number = 0;
  while (arrivals_->doors().open()) {
    send({{"k" + std::to_string(number++)}});
    ASSERT_LT(number, 100'000u) << "the key set never wanted to write";
  }
  EXPECT_EQ(arrivals_->doors().reason, DoorState::Reason::kDiskReserve);
  const std::uint64_t tried = files_.count(FileOperation::kOpen);
  while (files_.count(FileOperation::kOpen) < tried + 2) {
    ASSERT_FALSE(arrivals_->doors().open()) << "there is no more room than before";
    std::this_thread::yield();
  }
  files_.clear_faults();
  while (!arrivals_->doors().open()) std::this_thread::yield();
  EXPECT_EQ(send({{"after"}}), "n");
  EXPECT_EQ(send({{"k0"}}), "d");
}

TEST_F(ArrivalsTest, a_full_backlog_closes_the_doors_until_a_flow_has_caught_up) {
  arrivals_.reset();
  ArrivalsOptions options;
  options.directory = "data";
  options.identity_window = 32 * kDay;
  options.log_segment_bytes = 256 << 10;
  options.keyset_memory_bytes = 1 << 20;
  options.disk_reserve_bytes = 0;
  options.backlog_max_bytes = 64 << 10;
  metrics_ = std::make_unique<Metrics>();
  arrivals_ = std::move(*Arrivals::open(files_, clock_, random_, *metrics_, options, report_));
  std::atomic<log::Offset> applied{0};
  arrivals_->set_applied([] { return log::Offset{0}; }, [&] { return applied.load(); });
  start();
  int count = 0;
  while (arrivals_->doors().open()) {
    send({{"b" + std::to_string(count++)}});
    clock_.advance_monotonic(seconds(2));
    ASSERT_LT(count, 100'000);
  }
  EXPECT_EQ(arrivals_->doors().reason, DoorState::Reason::kBacklogFull);
  applied = arrivals_->log().synced_end();
  while (!arrivals_->doors().open()) std::this_thread::yield();
  EXPECT_EQ(send({{"after"}}), "n");
}

TEST_F(ArrivalsTest, trimming_waits_for_the_flows_and_for_the_checkpoint) {
  std::atomic<log::Offset> applied{0};
  arrivals_->set_applied([&] { return applied.load(); }, [&] { return arrivals_->log().synced_end(); });
  start();
  const std::string filler(2000, 'x');
  for (int i = 0; i < 600; ++i) send({{"t" + std::to_string(i) + filler}});
  int kept = 0;
  const auto keep = [&](const log::SegmentInfo&) -> Result<void> {
    ++kept;
    return {};
  };
  EXPECT_FALSE(*arrivals_->trim_step(microseconds(0), keep)) << "no flow has applied anything";
  applied = arrivals_->log().synced_end();
  EXPECT_FALSE(*arrivals_->trim_step(kDay, keep)) << "the retention has not passed";
  clock_.advance(seconds(1));
  // The checkpoint that trimming asks for is made by the committer's next tick.
  while (!*arrivals_->trim_step(microseconds(0), keep)) std::this_thread::yield();
  EXPECT_EQ(kept, 1);
  EXPECT_GT(arrivals_->log().first_offset(), 0u);
  reopen();
  EXPECT_EQ(send({{"t0" + filler}}), "d") << "the claim outlives its record";
}

TEST_F(ArrivalsTest, control_records_are_in_force_for_readers_behind_them) {
  start();
  EXPECT_EQ(send({{"a"}}), "n");
  ASSERT_TRUE(arrivals_->append_control(log::RecordKind::kDefinitions, "[1]"));
  auto reader = arrivals_->log().reader();
  ASSERT_TRUE(reader->seek(arrivals_->log().synced_end()));
  EXPECT_EQ(reader->sticky().at(log::RecordKind::kDefinitions), "[1]");
}

TEST_F(ArrivalsTest, a_stop_answers_everything_that_was_submitted) {
  start();
  std::vector<Submission> submissions(50);
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    fill(submissions[i], {{"stop" + std::to_string(i)}});
    ASSERT_TRUE(submit(*arrivals_, submissions[i]));
  }
  arrivals_->stop();
  sink_.wait_for(submissions.size());
  for (const Submission& submission : submissions) EXPECT_EQ(letters(submission), "n");
  Submission late;
  fill(late, {{"late"}});
  EXPECT_FALSE(submit(*arrivals_, late));
}

TEST_F(ArrivalsTest, what_is_submitted_together_is_one_group) {
  start();
  std::array<Submission, 3> submissions;
  std::array<Submission*, 3> together{};
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    fill(submissions[i], {{"one"}});
    together[i] = &submissions[i];
  }
  ASSERT_TRUE(arrivals_->submit(together));
  sink_.wait_for(submissions.size());
  EXPECT_THAT(metrics_->exposition(), HasSubstr("tidemark_arrivals_group_submissions_count 1\n"));
  EXPECT_EQ(letters(submissions[0]) + letters(submissions[1]) + letters(submissions[2]), "ndd");
}

TEST_F(ArrivalsTest, a_request_too_large_for_a_segment_is_refused_and_harms_nobody) {
  start();
  Submission huge;
  fill(huge, {{std::string(300 << 10, 'x')}});
  const auto refused = submit(*arrivals_, huge);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kTooLarge);
  EXPECT_EQ(send({{"a"}}), "n");
}

}  // namespace
}  // namespace tidemark::arrivals
