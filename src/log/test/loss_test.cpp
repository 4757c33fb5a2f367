#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "log_fixture.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"

namespace tidemark::log {
namespace {

using ::testing::IsEmpty;

const std::string kDirectory = "/data/log";

constexpr auto kOperations = std::to_array({FileOperation::kOpen, FileOperation::kRead, FileOperation::kWrite,
                                            FileOperation::kSync, FileOperation::kTruncate, FileOperation::kRename,
                                            FileOperation::kRemove, FileOperation::kSyncDirectory});

/// One life of a log: commits, rolls, a restart and a trim, until something fails. Remembers what was acknowledged.
class Life {
 public:
  explicit Life(MemoryFileSystem& files) : files_(files), log_(files, small_log(kDirectory)) {}

  /// The error that ended it; nothing if it ran to its end.
  std::optional<Error> run() {
    const auto ran = steps();
    if (ran) return std::nullopt;
    if (log_.is_open()) check_poisoned(ran.error());
    return ran.error();
  }

  /// Opens the log, which was closed or never opened.
  Result<void> open() {
    TIDEMARK_TRY(log_.try_open());
    TIDEMARK_TRY_ASSIGN(const Reading reading, try_read_from(*log_, log_->first_offset()));
    in_doubt_.clear();
    for (const auto& [offset, entry] : reading.records) acknowledged_[offset] = entry;
    return {};
  }
  void close() { log_.close(); }

  /// Opens the log after a failure and checks that it holds all that was acknowledged, at most one group more, whole,
  /// start records of starts that didn't come to their end, and nothing else; and that it goes on.
  void expect_recovered() {
    log_.close();
    must(log_.try_open());
    EXPECT_THAT(log_.report().damage, IsEmpty());
    EXPECT_LE(log_->first_offset(), trimmed_to_);
    const Reading reading = read_from(*log_, log_->first_offset());
    EXPECT_THAT(reading.damage, IsEmpty());
    EXPECT_EQ(reading.next, log_->synced_end());
    const std::map<Offset, Entry> found(reading.records.begin(), reading.records.end());
    EXPECT_EQ(found.size(), log_->synced_end() - log_->first_offset());
    for (const auto& [offset, entry] : acknowledged_) {
      if (offset < log_->first_offset()) continue;
      ASSERT_TRUE(found.contains(offset) && found.at(offset) == entry) << "record " << offset;
    }
    Offset next = acknowledged_.empty() ? 0 : acknowledged_.rbegin()->first + 1;
    if (!in_doubt_.empty() && found.contains(next) && found.at(next).kind != RecordKind::kStart) {
      for (const Entry& entry : in_doubt_) {
        ASSERT_TRUE(found.contains(next) && found.at(next) == entry) << "half a group at record " << next;
        ++next;
      }
    }
    for (; next < log_->synced_end(); ++next) ASSERT_EQ(found.at(next).kind, RecordKind::kStart);
    must(log_.commit("goes on"));
    log_.close();
    files_.lose_unsynced();  // What it went on from was durable.
    log_.open();
    EXPECT_EQ(log_.report().torn_bytes_cut, 0);
    const Reading later = read_from(*log_, log_->first_offset());
    ASSERT_EQ(later.records.size(), found.size() + 2);
    EXPECT_TRUE(std::equal(reading.records.begin(), reading.records.end(), later.records.begin()));
    EXPECT_EQ(later.records[found.size()].second.payload, "goes on");
    log_.close();
  }

 private:
  Result<void> steps() {
    TIDEMARK_TRY(open());
    TIDEMARK_TRY(commits(9));
    log_.close();
    TIDEMARK_TRY(open());
    TIDEMARK_TRY(commits(5));
    if (const auto oldest = log_->oldest_trimmable(log_->synced_end(), log_->last_arrival())) {
      trimmed_to_ = oldest->end;
      TIDEMARK_TRY(log_->drop_oldest());
    }
    return commits(5);
  }

  Result<void> commits(int count) {
    for (int i = 0; i < count; ++i) {
      std::vector<std::pair<RecordKind, std::string>> records(1 + random_.below(3));
      for (auto& record : records) {
        record = {random_.below(7) == 0 ? RecordKind::kDefinitions : RecordKind::kEvents,
                  payload_of(random_.below(450), random_.next())};
      }
      const Offset first = log_->next_offset();
      const Timestamp arrival = log_.clock().now() + milliseconds(1);
      in_doubt_.clear();
      for (const auto& [kind, payload] : records) in_doubt_.push_back({kind, payload, arrival});
      TIDEMARK_TRY(log_.commit(records));
      for (std::size_t r = 0; r < in_doubt_.size(); ++r) acknowledged_[first + r] = in_doubt_[r];
      in_doubt_.clear();
    }
    return {};
  }

  /// A commit that failed published nothing, and no other one succeeds.
  void check_poisoned(const Error& error) {
    if (in_doubt_.empty()) return;  // Reading or trimming failed.
    EXPECT_EQ(error.code(), Errc::kIo);
    EXPECT_EQ(log_.commit("more").error().code(), Errc::kIo);
    EXPECT_EQ(log_->synced_end(), acknowledged_.rbegin()->first + 1);
  }

  MemoryFileSystem& files_;
  LogUnderTest log_;
  SeededRandom random_{17};
  std::map<Offset, Entry> acknowledged_;
  std::vector<Entry> in_doubt_;
  Offset trimmed_to_ = 0;
};

enum class Loss : std::uint8_t { kNothing, kEverythingUnsynced, kSomething };

void lose(MemoryFileSystem& files, Loss loss, std::uint64_t seed) {
  files.clear_faults();
  if (loss == Loss::kEverythingUnsynced) files.lose_unsynced();
  if (loss == Loss::kSomething) files.lose_unsynced(seed);
}

class LossOf : public ::testing::TestWithParam<Loss> {};

INSTANTIATE_TEST_SUITE_P(Losses, LossOf,
                         ::testing::Values(Loss::kNothing, Loss::kEverythingUnsynced, Loss::kSomething));

TEST_P(LossOf, at_every_file_operation_keeps_every_acknowledged_group_whole) {
  int rounds = 0;
  for (const FileOperation operation : kOperations) {
    for (std::uint64_t after = 0; !HasFailure(); ++after) {
      SCOPED_TRACE("operation " + std::to_string(static_cast<int>(operation)) + " number " + std::to_string(after));
      MemoryFileSystem files;
      must(files.make_directories(kDirectory));
      // A write that fails has written a part; which part doesn't depend on the sectors that survive.
      files.inject({.operation = operation, .after = after, .written_bytes = after * 97 % 1500});
      Life life(files);
      const auto error = life.run();
      lose(files, GetParam(), after);
      life.expect_recovered();
      if (!error) break;
      ++rounds;
    }
  }
  EXPECT_GT(rounds, 100);
}

TEST(Losses, one_after_another_keep_every_acknowledged_group_whole) {
  for (std::uint64_t seed = 0; seed < 1500 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    MemoryFileSystem files;
    must(files.make_directories(kDirectory));
    const auto random_fault = [&](std::uint64_t after) {
      files.inject({.operation = random.coin() ? FileOperation::kWrite : kOperations[random.below(kOperations.size())],
                    .after = random.below(after),
                    .written_bytes = random.below(3000)});
    };
    random_fault(60);
    Life life(files);
    life.run();
    for (int again = 0; again < 3; ++again) {
      life.close();
      lose(files, static_cast<Loss>(random.below(3)), random.next());
      random_fault(6);
      if (life.open()) life.close();
    }
    lose(files, static_cast<Loss>(random.below(3)), random.next());
    life.expect_recovered();
  }
}

TEST(TornTail, is_cut_durably_before_the_start_record_is_written) {
  MemoryFileSystem files;
  LogUnderTest log(files, small_log(kDirectory));
  log.open();
  files.inject({.operation = FileOperation::kWrite, .written_bytes = 700});
  EXPECT_FALSE(log.commit(payload_of(900, 1)));
  log.close();
  const std::string path = segment_paths(files, kDirectory).front();
  must(must(files.open(path, OpenMode::kWrite))->sync());  // The torn group reached the disk by itself.
  // Recovery writes the last group again, then the zeros.
  files.inject({.operation = FileOperation::kWrite, .after = 2, .path_contains = path});
  EXPECT_FALSE(log.try_open());
  files.lose_unsynced();
  log.open();
  EXPECT_EQ(log.report().torn_bytes_cut, 0);
  EXPECT_EQ(log.report().end_offset, 1);
}

TEST(FullDisk, refuses_the_group_that_needs_a_segment_and_goes_on_once_there_is_room) {
  for (const bool in_background : {false, true}) {
    MemoryFileSystem files;
    auto options = small_log(kDirectory);
    options.prepare_in_background = in_background;
    LogUnderTest log(files, options);
    log.open();
    files.set_free_bytes(1000);
    Result<void> committed;
    int groups = 0;
    while ((committed = log.commit(payload_of(700, 1)))) ++groups;
    EXPECT_EQ(committed.error().code(), Errc::kDiskFull);
    EXPECT_EQ(log.commit(payload_of(700, 1)).error().code(), Errc::kDiskFull);
    must(log.commit("small enough for what is left"));
    files.set_free_bytes(1 << 20);
    must(log.commit(payload_of(700, 1)));
    log.reopen();
    EXPECT_EQ(log->start_offset(), static_cast<Offset>(groups) + 3);
    EXPECT_THAT(read_from(*log, 0).damage, IsEmpty());
  }
}

TEST(FullDisk, stops_the_making_of_a_log_without_a_trace_of_success) {
  for (std::uint64_t bytes = 0; bytes < 4200; bytes += 40) {
    MemoryFileSystem files;
    files.set_free_bytes(bytes);
    LogUnderTest log(files, small_log(kDirectory));
    EXPECT_EQ(log.try_open().error().code(), Errc::kDiskFull) << bytes;
    files.set_free_bytes(1 << 20);
    log.open();
    EXPECT_TRUE(log.report().created);
  }
}

TEST(FailedTrim, never_leaves_a_gap) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    MemoryFileSystem files;
    LogUnderTest log(files, small_log(kDirectory));
    log.open();
    for (std::uint64_t i = 0; i < 15; ++i) must(log.commit(payload_of(900, i)));
    files.inject({.operation = FileOperation::kSyncDirectory, .after = 1, .repeats = true});
    EXPECT_FALSE(log->drop_oldest());
    EXPECT_FALSE(log->drop_oldest());
    log.close();
    files.clear_faults();
    files.lose_unsynced(seed);
    log.open();
    EXPECT_THAT(read_from(*log, log->first_offset()).damage, IsEmpty());
  }
}

TEST(FailedSync, is_never_followed_by_success) {
  MemoryFileSystem files;
  LogUnderTest log(files, small_log(kDirectory));
  log.open();
  files.inject({.operation = FileOperation::kSync});
  EXPECT_EQ(log.commit("lost").error().code(), Errc::kIo);
  const auto syncs = files.count(FileOperation::kSync);
  EXPECT_EQ(log.commit("later").error().code(), Errc::kIo);
  EXPECT_EQ(files.count(FileOperation::kSync), syncs);
  EXPECT_EQ(log->synced_end(), 1);
}

TEST(FailedSync, group_that_recovery_finds_in_memory_only_is_made_durable) {
  MemoryFileSystem files;
  LogUnderTest log(files, small_log(kDirectory));
  log.open();
  files.inject({.operation = FileOperation::kSync});
  EXPECT_FALSE(log.commit("in doubt"));
  log.reopen();  // The system still shows the group, though no sync of it will ever reach the disk.
  ASSERT_EQ(read_from(*log, 1).records.front().second.payload, "in doubt");
  log.close();
  files.lose_unsynced();
  log.open();
  EXPECT_EQ(read_from(*log, 1).records.front().second.payload, "in doubt");
}

}  // namespace
}  // namespace tidemark::log
