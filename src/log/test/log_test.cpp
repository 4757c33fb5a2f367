#include "tidemark/log/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "log_fixture.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"

namespace tidemark::log {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

/// The rules that hold on every file system.
class LogContract : public ::testing::TestWithParam<bool> {
 protected:
  FileSystem& files() { return on_disk_ ? static_cast<FileSystem&>(posix_) : memory_; }
  std::string directory() const { return on_disk_ ? temporary_.file("log") : "/data/log"; }
  LogUnderTest make(std::uint64_t segment_bytes = 4096) { return {files(), small_log(directory(), segment_bytes)}; }

  const bool on_disk_ = GetParam();
  TemporaryDirectory temporary_;
  PosixFileSystem posix_;
  MemoryFileSystem memory_;
};

INSTANTIATE_TEST_SUITE_P(FileSystems, LogContract, ::testing::Bool(),
                         [](const auto& on) { return on.param ? "disk" : "memory"; });

TEST_P(LogContract, new_log_begins_with_its_start_record) {
  auto log = make();
  log.open();
  EXPECT_TRUE(log.report().created);
  EXPECT_EQ(log.report().end_offset, 0);
  EXPECT_EQ(log->synced_end(), 1);
  EXPECT_EQ(log->start_offset(), 0);
  const Reading reading = read_from(*log, 0);
  ASSERT_THAT(reading.records, SizeIs(1));
  EXPECT_EQ(reading.records[0].second.kind, RecordKind::kStart);
  EXPECT_TRUE(reading.records[0].second.payload.starts_with(as_text(log->start_id().bytes)));
}

TEST_P(LogContract, id_stays_and_start_id_changes_with_each_start) {
  auto log = make();
  log.open();
  const LogId id = log->id();
  const StartId first = log->start_id();
  log.reopen();
  EXPECT_FALSE(log.report().created);
  EXPECT_EQ(log->id(), id);
  EXPECT_NE(log->start_id(), first);
}

TEST_P(LogContract, what_was_committed_reads_back_after_restarts_and_rolls) {
  auto log = make(16384);
  log.open();
  SeededRandom random(7);
  std::map<Offset, Entry> model;
  const auto remember_start = [&] {
    for (auto& [offset, entry] : read_from(*log, log->start_offset()).records) model[offset] = std::move(entry);
  };
  remember_start();
  for (int group = 0; group < 300; ++group) {
    if (random.below(40) == 0) {
      log.reopen();
      ASSERT_THAT(log.report().damage, IsEmpty());
      ASSERT_EQ(log.report().torn_bytes_cut, 0);
      remember_start();
    }
    std::vector<std::pair<RecordKind, std::string>> records;
    const std::uint64_t count = 1 + random.below(12);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto kind = random.below(20) == 0 ? RecordKind::kDefinitions : RecordKind::kEvents;
      records.emplace_back(kind, payload_of(random.below(400), random.next()));
    }
    const Offset first = log->next_offset();
    must(log.commit(records));
    for (std::uint64_t i = 0; i < count; ++i) {
      model[first + i] = {records[i].first, records[i].second, log->last_arrival()};
    }
  }
  ASSERT_GT(log->segments().size(), 10U);
  for (const ReadLimits limits : {ReadLimits{}, ReadLimits{1, 1}, ReadLimits{7, 1000}, ReadLimits{1000, 3000}}) {
    const Reading reading = read_from(*log, 0, limits);
    EXPECT_THAT(reading.damage, IsEmpty());
    EXPECT_TRUE(std::map(reading.records.begin(), reading.records.end()) == model);
    EXPECT_EQ(reading.next, log->synced_end());
  }
}

TEST_P(LogContract, seek_lands_on_every_record_with_what_is_in_force_there) {
  auto log = make();
  log.open();
  SeededRandom random(3);
  for (int group = 0; group < 40; ++group) {
    std::vector<std::pair<RecordKind, std::string>> records(1 + random.below(4));
    for (auto& record : records) {
      record = {random.below(6) == 0 ? RecordKind::kDefinitions : RecordKind::kEvents,
                payload_of(random.below(200), random.next())};
    }
    must(log.commit(records));
  }
  log.reopen();  // Sealed segments have no index now.
  must(log.commit("after"));
  std::map<RecordKind, std::string> in_force;
  auto reader = log->reader();
  Page page;
  const Reading all = read_from(*log, 0);
  for (const auto& [offset, entry] : all.records) {
    must(reader->seek(offset));
    EXPECT_EQ(reader->position(), offset);
    EXPECT_EQ(reader->sticky(), in_force) << "before record " << offset;
    must(reader->read({1, 1}, page));
    ASSERT_THAT(page.records, SizeIs(1));
    EXPECT_EQ(page.records[0].offset, offset);
    EXPECT_EQ(as_text(page.records[0].payload), entry.payload);
    if (is_sticky(entry.kind)) in_force[entry.kind] = entry.payload;
    EXPECT_EQ(reader->sticky(), in_force) << "behind record " << offset;
  }
  must(reader->seek(log->synced_end()));
  EXPECT_EQ(reader->sticky(), in_force);
}

TEST_P(LogContract, seek_beyond_the_end_is_not_found) {
  auto log = make();
  log.open();
  auto reader = log->reader();
  EXPECT_EQ(reader->seek(log->synced_end() + 1).error().code(), Errc::kNotFound);
}

TEST_P(LogContract, reader_at_the_end_waits_for_nothing_and_goes_on_later) {
  auto log = make();
  log.open();
  auto reader = log->reader();
  must(reader->seek(log->synced_end()));
  Page page;
  must(reader->read({}, page));
  EXPECT_TRUE(page.at_end);
  EXPECT_THAT(page.records, IsEmpty());
  EXPECT_FALSE(page.last_arrival.has_value());
  for (int i = 0; i < 20; ++i) {  // Across rolls.
    const std::string payload = payload_of(900, static_cast<std::uint64_t>(i));
    must(log.commit(payload));
    must(reader->read({}, page));
    ASSERT_THAT(page.records, SizeIs(1));
    EXPECT_EQ(as_text(page.records[0].payload), payload);
    EXPECT_TRUE(page.at_end);
    EXPECT_EQ(page.last_arrival, log->last_arrival());
  }
}

TEST_P(LogContract, page_names_the_arrival_of_whole_groups_only) {
  auto log = make();
  log.open();
  const Timestamp start = log->last_arrival();
  must(log.commit({{RecordKind::kEvents, "a"}, {RecordKind::kEvents, "b"}}));
  auto reader = log->reader();
  must(reader->seek(0));
  Page page;
  must(reader->read({2, 100}, page));
  EXPECT_EQ(page.next, 2);
  EXPECT_FALSE(page.at_end);
  EXPECT_EQ(page.last_arrival, start);
  must(reader->read({}, page));
  EXPECT_EQ(page.last_arrival, log->last_arrival());
}

TEST_P(LogContract, one_record_is_read_however_small_the_limit) {
  auto log = make();
  log.open();
  must(log.commit({{RecordKind::kEvents, payload_of(1000, 1)}, {RecordKind::kEvents, payload_of(500, 2)}}));
  auto reader = log->reader();
  must(reader->seek(1));
  Page page;
  must(reader->read({0, 0}, page));
  EXPECT_THAT(page.records, SizeIs(1));
  EXPECT_EQ(page.next, 2);
}

TEST_P(LogContract, empty_group_writes_nothing) {
  auto log = make();
  log.open();
  must(log.commit(std::vector<std::pair<RecordKind, std::string>>{}));
  EXPECT_EQ(log->synced_end(), 1);
}

TEST_P(LogContract, too_large_a_group_is_refused_and_the_log_goes_on) {
  auto log = make();
  log.open();
  EXPECT_EQ(log.commit(payload_of(2048, 1)).error().code(), Errc::kTooLarge);
  EXPECT_EQ(log.commit({{RecordKind::kDefinitions, payload_of(600, 1)}}).error().code(), Errc::kTooLarge);
  EXPECT_EQ(log->synced_end(), 1);
  must(log.commit(payload_of(1900, 1)));
  must(log.commit({{RecordKind::kDefinitions, payload_of(400, 1)}}));
  EXPECT_THAT(read_from(*log, 1).records, SizeIs(2));
}

TEST_P(LogContract, falling_arrival_is_refused_and_the_log_goes_on) {
  auto log = make();
  log.open();
  GroupBuilder group;
  group.reset(log->last_arrival() - microseconds(1));
  group.add(RecordKind::kEvents, as_bytes("x"));
  EXPECT_EQ(log->commit(group).error().code(), Errc::kInvalidArgument);
  group.reset(log->last_arrival());
  group.add(RecordKind::kEvents, as_bytes("x"));
  must(log->commit(group));
}

TEST_P(LogContract, arrival_never_falls_over_a_restart_with_an_earlier_clock) {
  auto log = make();
  log.open();
  must(log.commit("x"));
  const Timestamp last = log->last_arrival();
  log.close();
  log.clock().step_wall(-std::chrono::hours(24 * 40));
  log.open();
  EXPECT_EQ(log.report().last_arrival, last);
  EXPECT_EQ(log->last_arrival(), last);
}

TEST_P(LogContract, start_under_which_a_cursor_stands_never_changes) {
  auto log = make();
  std::map<Offset, StartId> expected;
  SeededRandom random(5);
  for (int start = 0; start < 12; ++start) {
    if (start == 0) {
      log.open();
      expected[0] = log->start_id();
      expected[1] = log->start_id();
    } else {
      log.reopen();
      expected[log->start_offset() + 1] = log->start_id();
    }
    const std::uint64_t groups = random.below(6);
    for (std::uint64_t i = 0; i < groups; ++i) {
      must(log.commit(payload_of(random.below(1500), random.next())));
      expected[log->synced_end()] = log->start_id();
    }
    for (const auto& [offset, id] : expected) EXPECT_EQ(log->start_at(offset), id) << offset;
  }
  EXPECT_EQ(log->start_at(log->synced_end() + 1), std::nullopt);

  while (const auto oldest = log->oldest_trimmable(log->synced_end(), log->last_arrival())) {
    must(log->drop_oldest());
    if (random.coin()) {
      log.reopen();
      expected[log->start_offset() + 1] = log->start_id();
    }
    for (const auto& [offset, id] : expected) {
      const auto held = offset >= log->first_offset() ? std::optional(id) : std::nullopt;
      EXPECT_EQ(log->start_at(offset), held) << offset;
    }
  }
  EXPECT_GT(log->first_offset(), 0);
}

TEST_P(LogContract, trimming_keeps_what_is_below_neither_floor_nor_retention) {
  auto log = make();
  log.open();
  for (std::uint64_t i = 0; i < 12; ++i) must(log.commit(payload_of(900, i)));
  const auto segments = log->segments();
  ASSERT_GE(segments.size(), 3U);
  const Timestamp later = log->last_arrival() + seconds(1);
  EXPECT_FALSE(log->oldest_trimmable(segments[0].end - 1, later));
  EXPECT_FALSE(log->oldest_trimmable(segments[0].end, segments[0].last_arrival));
  const auto oldest = log->oldest_trimmable(segments[0].end, segments[0].last_arrival + microseconds(1));
  ASSERT_TRUE(oldest);
  EXPECT_EQ(oldest->end, segments[0].end);
  must(log->drop_oldest());
  EXPECT_EQ(log->first_offset(), segments[1].first);
  while (log->oldest_trimmable(log->synced_end(), later)) must(log->drop_oldest());
  EXPECT_THAT(log->segments(), SizeIs(1));
  EXPECT_EQ(log->drop_oldest().error().code(), Errc::kInvalidArgument);
}

TEST_P(LogContract, sticky_records_outlive_the_segment_that_held_them) {
  auto log = make();
  log.open();
  must(log.commit({{RecordKind::kDefinitions, "old"}}));
  must(log.commit({{RecordKind::kDefinitions, "meters"}}));
  for (std::uint64_t i = 0; i < 12; ++i) must(log.commit(payload_of(900, i)));
  while (log->oldest_trimmable(log->synced_end(), log->last_arrival())) must(log->drop_oldest());
  log.reopen();
  ASSERT_GT(log->first_offset(), 2);
  auto reader = log->reader();
  must(reader->seek(log->first_offset()));
  EXPECT_EQ(reader->sticky().at(RecordKind::kDefinitions), "meters");
}

TEST_P(LogContract, reader_inside_a_dropped_segment_is_told) {
  auto log = make();
  log.open();
  for (std::uint64_t i = 0; i < 12; ++i) must(log.commit(payload_of(900, i)));
  auto reader = log->reader();
  must(reader->seek(1));
  Page page;
  must(reader->read({1, 1}, page));
  must(log->drop_oldest());
  EXPECT_EQ(reader->read({}, page).error().code(), Errc::kNotFound);
  EXPECT_EQ(reader->seek(1).error().code(), Errc::kNotFound);
  must(reader->seek(log->first_offset()));
  must(reader->read({}, page));
  EXPECT_TRUE(page.at_end);
}

TEST_P(LogContract, bytes_from_falls_to_nothing_at_the_end) {
  auto log = make();
  log.open();
  for (std::uint64_t i = 0; i < 30; ++i) must(log.commit(payload_of(500, i)));
  log.reopen();
  for (std::uint64_t i = 0; i < 30; ++i) must(log.commit(payload_of(500, i)));
  std::uint64_t before = log->bytes_from(0);
  EXPECT_GT(before, 60 * 500U);
  EXPECT_LT(before, 60 * 600U);
  for (Offset offset = 1; offset <= log->synced_end(); ++offset) {
    const std::uint64_t bytes = log->bytes_from(offset);
    EXPECT_LE(bytes, before);
    before = bytes;
  }
  EXPECT_EQ(log->bytes_from(log->synced_end()), 0);
}

TEST_P(LogContract, segments_take_a_new_size_from_the_next_one_on) {
  auto log = make(4096);
  log.open();
  must(log.commit(payload_of(900, 1)));
  log.close();
  log.options().segment_bytes = 16384;
  log.open();
  must(log.commit(payload_of(8000, 2)));
  log.close();
  log.options().segment_bytes = 4096;
  log.open();
  for (std::uint64_t i = 0; i < 20; ++i) must(log.commit(payload_of(900, i)));
  log.reopen();
  const Reading reading = read_from(*log, 0);
  EXPECT_THAT(reading.damage, IsEmpty());
  EXPECT_THAT(reading.records, SizeIs(log->synced_end()));
}

TEST_P(LogContract, bad_segment_sizes_are_refused) {
  for (const std::uint64_t bytes : {0ULL, 1000ULL, 5000ULL, (4ULL << 30) + 4096}) {
    auto log = make(bytes);
    EXPECT_EQ(log.try_open().error().code(), Errc::kInvalidArgument) << bytes;
  }
}

TEST_P(LogContract, next_segment_is_prepared_in_the_background) {
  auto log = make(64u << 10);
  log.options().prepare_in_background = true;
  log.open();
  for (std::uint64_t i = 0; i < 200; ++i) must(log.commit(payload_of(8000, i)));  // Outruns the preparation at times.
  EXPECT_GT(log->segments().size(), 20U);
  log.reopen();
  const Reading reading = read_from(*log, 1);
  EXPECT_THAT(reading.damage, IsEmpty());
  for (std::uint64_t i = 0; i < 200; ++i) EXPECT_EQ(reading.records[i].second.payload, payload_of(8000, i));
}

TEST_P(LogContract, metrics_tell_groups_bytes_and_segments) {
  auto log = make();
  log.open();
  for (std::uint64_t i = 0; i < 9; ++i) must(log.commit(payload_of(900, i)));
  const std::string text = log.metrics().exposition();
  EXPECT_THAT(text, HasSubstr("tidemark_log_groups_total 10"));
  EXPECT_THAT(text, HasSubstr("tidemark_log_segments " + std::to_string(log->segments().size())));
  EXPECT_THAT(text, HasSubstr("tidemark_log_fsync_duration_seconds_count 10"));
  EXPECT_THAT(text, HasSubstr("tidemark_log_bytes_total"));
}

/// What is told when files of the log are missing or are not its own.
class LogFiles : public ::testing::Test {
 protected:
  LogFiles() {
    log_.open();
    for (std::uint64_t i = 0; i < 12; ++i) must(log_.commit(payload_of(900, i)));
    log_.close();
    paths_ = segment_paths(files_, kDirectory);
  }

  const std::string kDirectory = "/data/log";
  MemoryFileSystem files_;
  LogUnderTest log_{files_, small_log(kDirectory)};
  std::vector<std::string> paths_;
};

TEST_F(LogFiles, lost_segments_are_refused_not_made_anew) {
  for (const std::string& path : paths_) must(files_.remove(path));
  const auto opened = log_.try_open();
  EXPECT_EQ(opened.error().code(), Errc::kRefused);
  EXPECT_THAT(opened.error().message(), HasSubstr("restore"));
  EXPECT_THAT(segment_paths(files_, kDirectory), IsEmpty());
}

TEST_F(LogFiles, segment_missing_in_the_middle_is_corrupt) {
  must(files_.remove(paths_[1]));
  const auto opened = log_.try_open();
  EXPECT_EQ(opened.error().code(), Errc::kCorrupt);
  EXPECT_THAT(opened.error().message(), HasSubstr(paths_[2]));
}

TEST_F(LogFiles, moving_the_oldest_away_as_the_remedy_says_works) {
  must(files_.remove(paths_[0]));
  must(files_.remove(paths_[1]));
  log_.open();
  EXPECT_GT(log_->first_offset(), 0);
  EXPECT_THAT(read_from(*log_, log_->first_offset()).damage, IsEmpty());
}

TEST_F(LogFiles, lost_id_file_is_made_again_from_the_segments) {
  must(files_.remove(kDirectory + "/log.id"));
  log_.open();
  const LogId id = log_->id();
  log_.reopen();
  EXPECT_EQ(log_->id(), id);
  EXPECT_EQ(log_->first_offset(), 0);
}

TEST_F(LogFiles, segment_of_another_log_is_refused) {
  LogUnderTest other(files_, small_log("/data/other"));
  other.clock().advance(seconds(1));
  SeededRandom random(99);
  RecoveryReport report;
  must(Log::open(files_, other.clock(), random, other.metrics(), other.options(), report));
  must(files_.rename("/data/other/0000000000000000.log", paths_[0]));
  const auto opened = log_.try_open();
  EXPECT_EQ(opened.error().code(), Errc::kRefused);
  EXPECT_THAT(opened.error().message(), HasSubstr("another log"));
}

TEST_F(LogFiles, segment_under_another_name_is_corrupt) {
  must(files_.rename(paths_[0], kDirectory + "/00000000000000ff.log"));
  EXPECT_EQ(log_.try_open().error().code(), Errc::kCorrupt);
}

TEST_F(LogFiles, another_partition_is_refused) {
  log_.options().partition = 3;
  EXPECT_EQ(log_.try_open().error().code(), Errc::kRefused);
}

TEST_F(LogFiles, cut_segment_file_is_corrupt) {
  for (const std::uint64_t size : {0, 50, 100, 4000}) {
    const auto snapshot = files_.snapshot();
    must(must(files_.open(paths_.back(), OpenMode::kWrite))->truncate(size));
    EXPECT_EQ(log_.try_open().error().code(), Errc::kCorrupt) << size;
    files_.restore(snapshot);
  }
}

TEST_F(LogFiles, leftovers_of_a_crash_are_removed) {
  must(files_.open(kDirectory + "/next.tmp", OpenMode::kCreate));
  must(files_.open(kDirectory + "/log.id.tmp", OpenMode::kCreate));
  log_.open();
  EXPECT_FALSE(must(files_.exists(kDirectory + "/log.id.tmp")));
  log_.reopen();
  EXPECT_THAT(read_from(*log_, 0).damage, IsEmpty());
}

TEST_F(LogFiles, older_copy_of_the_log_shows_by_its_starts) {
  const auto older = files_.snapshot();
  log_.open();
  for (std::uint64_t i = 0; i < 4; ++i) must(log_.commit("lost with the restore"));
  const Offset cursor = log_->synced_end();
  const auto stood_under = log_->start_at(cursor);
  log_.close();
  files_.restore(older);
  log_.open();  // The new start record stands where the lost one stood, and the log grows past the cursor.
  for (std::uint64_t i = 0; i < 8; ++i) must(log_.commit("other"));
  ASSERT_GT(log_->synced_end(), cursor);
  EXPECT_NE(log_->start_at(cursor), stood_under);
}

}  // namespace
}  // namespace tidemark::log
