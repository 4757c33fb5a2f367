#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "frame.hpp"
#include "log_fixture.hpp"
#include "segment_head.hpp"
#include "tidemark/base/hash.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"

namespace tidemark::log {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kDirectory = "/data/log";

/// A frame as it stands in an intact file.
struct PlacedFrame {
  std::uint64_t at = 0;
  FrameHead head;
};

struct PlacedSegment {
  std::string path;
  SegmentHead head;
  std::vector<PlacedFrame> frames;
  std::uint64_t data_end() const {
    return frames.empty() ? head.head_bytes : frames.back().at + frames.back().head.frame_bytes();
  }
};

PlacedSegment place(FileSystem& files, const std::string& path) {
  PlacedSegment segment{path, {}, {}};
  const auto file = must(files.open(path, OpenMode::kRead));
  segment.head = must(read_segment_head(*file, path));
  std::uint64_t at = segment.head.head_bytes;
  while (true) {
    std::array<std::byte, kFrameHeadBytes> bytes{};
    must(file->read_at(at, bytes));
    const auto head = read_frame_head(bytes, segment.head.space, at, segment.head.file_bytes);
    if (!head) return segment;
    segment.frames.push_back({at, *head});
    at += head->frame_bytes();
  }
}

/// A log of a few segments, whose files are then damaged. Closed at first.
class DamagedLog : public ::testing::Test {
 protected:
  DamagedLog() {
    log_.open();
    SeededRandom random(11);
    for (int group = 0; group < 38; ++group) {
      if (group == 32) log_.reopen();
      std::vector<std::pair<RecordKind, std::string>> records;
      const std::uint64_t count = 1 + random.below(4);
      for (std::uint64_t i = 0; i < count; ++i) {
        records.emplace_back(group % 8 == 3 && i == 1 ? RecordKind::kDefinitions : RecordKind::kEvents,
                             payload_of(random.below(220), random.next()));
      }
      must(log_.commit(records));
    }
    for (auto& [offset, entry] : read_from(*log_, 0).records) model_[offset] = std::move(entry);
    log_.close();
    for (const std::string& path : segment_paths(files_, kDirectory)) segments_.push_back(place(files_, path));
  }

  /// Opens the log and checks it: records [lost_first, lost_end) are damaged but for the sticky ones, those from `end`
  /// on are gone, every other is as it was. Then appends, and checks again after another start.
  void expect_log(Offset lost_first, Offset lost_end, Offset end, bool in_report) {
    log_.open();
    EXPECT_EQ(log_.report().end_offset, end);
    std::map<Offset, Entry> expected;
    for (const auto& [offset, entry] : model_) {
      if (offset >= end) break;
      if (offset < lost_first || offset >= lost_end || is_sticky(entry.kind)) expected[offset] = entry;
    }
    const auto check = [&] {
      const Reading reading = read_from(*log_, 0);
      std::map<Offset, Entry> found(reading.records.begin(), reading.records.end());
      found.erase(found.lower_bound(end), found.end());
      EXPECT_TRUE(found == expected);  // Printed, they would fill pages.
      std::uint64_t damaged = 0;
      for (const auto& [first, damage_end] : reading.damage) {
        EXPECT_GE(first, lost_first);
        EXPECT_LE(damage_end, lost_end);
        damaged += damage_end - first;
      }
      EXPECT_EQ(damaged + expected.size(), end);
      EXPECT_EQ(reading.next, log_->synced_end());
    };
    check();
    std::uint64_t reported = 0;
    for (const Damage& damage : log_.report().damage) reported += damage.end - damage.first;
    if (in_report) {
      EXPECT_EQ(reported + expected.size(), end);
    } else {
      EXPECT_EQ(reported, 0);
    }
    must(log_.commit("after the damage"));
    log_.reopen();
    EXPECT_EQ(log_.report().torn_bytes_cut, 0);
    check();
    log_.close();
  }

  /// Runs `check` on a fresh copy with one bit of one byte flipped, for the first 64 bytes of [from, end) of `path`,
  /// the last 8, and every 7th between.
  void for_each_flip(const std::string& path, std::uint64_t from, std::uint64_t end,
                     const std::function<void()>& check) {
    const auto intact = files_.snapshot();
    for (std::uint64_t at = from; at < end && !HasFailure(); at += at < from + 64 || at + 8 >= end ? 1 : 7) {
      files_.restore(intact);
      files_.flip_bit(path, at, static_cast<unsigned>(at % 8));
      SCOPED_TRACE("byte " + std::to_string(at) + " of " + path);
      check();
    }
    files_.restore(intact);
  }

  void overwrite(const std::string& path, std::uint64_t at, const std::string& bytes) {
    must(must(files_.open(path, OpenMode::kWrite))->write_at(at, as_bytes(bytes)));
  }

  MemoryFileSystem files_;
  LogUnderTest log_{files_, small_log(kDirectory)};
  std::map<Offset, Entry> model_;
  std::vector<PlacedSegment> segments_;
};

TEST_F(DamagedLog, the_log_has_what_these_tests_need) {
  ASSERT_GE(segments_.size(), 3U);
  const auto& frames = segments_.back().frames;
  ASSERT_GE(frames.size(), 4U);
  EXPECT_FALSE(frames.back().head.is_echo());
  for (std::size_t i = 0; i + 1 < segments_.size(); ++i) {
    EXPECT_TRUE(std::ranges::any_of(segments_[i].frames, [](const PlacedFrame& f) { return f.head.is_echo(); }));
  }
  EXPECT_TRUE(std::ranges::any_of(frames, [](const PlacedFrame& f) { return f.head.is_echo(); }));
}

TEST_F(DamagedLog, any_bit_of_the_id_file_stops_the_start_with_the_remedy) {
  for_each_flip(kDirectory + "/log.id", 0, 48, [&] {
    const auto opened = log_.try_open();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Errc::kCorrupt);
    EXPECT_THAT(opened.error().message(), HasSubstr("remove it"));
  });
}

TEST_F(DamagedLog, any_bit_of_a_segment_head_stops_the_start_with_the_remedy) {
  for (const PlacedSegment& segment : segments_) {
    for_each_flip(segment.path, 0, segment.head.head_bytes, [&] {
      const auto opened = log_.try_open();
      ASSERT_FALSE(opened);
      EXPECT_EQ(opened.error().code(), Errc::kCorrupt);
      EXPECT_THAT(opened.error().message(), HasSubstr(segment.path));
    });
  }
}

TEST_F(DamagedLog, any_bit_of_a_sealed_group_costs_that_group_alone) {
  for (std::size_t i = 0; i + 1 < segments_.size(); ++i) {
    for (const PlacedFrame& frame : segments_[i].frames) {
      for_each_flip(segments_[i].path, frame.at, frame.at + frame.head.frame_bytes(),
                    [&] { expect_log(frame.head.first, frame.head.end(), model_.size(), false); });
    }
  }
}

TEST_F(DamagedLog, any_bit_of_a_group_below_the_last_costs_that_group_alone) {
  const PlacedSegment& last = segments_.back();
  for (std::size_t i = 0; i + 1 < last.frames.size(); ++i) {
    const PlacedFrame& frame = last.frames[i];
    for_each_flip(last.path, frame.at, frame.at + frame.head.frame_bytes(),
                  [&] { expect_log(frame.head.first, frame.head.end(), model_.size(), true); });
  }
}

TEST_F(DamagedLog, any_bit_of_the_last_group_cuts_it_as_torn) {
  const PlacedFrame& frame = segments_.back().frames.back();
  for_each_flip(segments_.back().path, frame.at, frame.at + frame.head.frame_bytes(),
                [&] { expect_log(0, 0, frame.head.first, true); });
}

TEST_F(DamagedLog, last_group_with_its_echo_is_cut_whole) {
  log_.open();  // Its start record and the echo of it come last.
  log_.close();
  const PlacedSegment last = place(files_, segments_.back().path);
  const PlacedFrame& echo = last.frames.back();
  ASSERT_TRUE(echo.head.is_echo());
  const PlacedFrame& start = last.frames[last.frames.size() - 2];
  for_each_flip(last.path, start.at, echo.at, [&] { expect_log(0, 0, start.head.first, true); });
}

TEST_F(DamagedLog, damaged_last_echo_costs_nothing) {
  log_.open();
  for (auto& [offset, entry] : read_from(*log_, log_->start_offset()).records) model_[offset] = std::move(entry);
  log_.close();
  const PlacedSegment last = place(files_, segments_.back().path);
  const PlacedFrame& echo = last.frames.back();
  for_each_flip(last.path, echo.at, echo.at + echo.head.frame_bytes(), [&] { expect_log(0, 0, model_.size(), true); });
}

TEST_F(DamagedLog, bits_behind_the_data_cost_nothing) {
  for (const PlacedSegment& segment : segments_) {
    for_each_flip(segment.path, segment.data_end(), segment.head.file_bytes,
                  [&] { expect_log(0, 0, model_.size(), true); });
  }
}

TEST_F(DamagedLog, group_overwritten_with_zeros_is_damage_too) {
  for (const PlacedSegment& segment : segments_) {
    const auto intact = files_.snapshot();
    for (std::size_t i = 0; i + 1 < segment.frames.size(); ++i) {
      const PlacedFrame& frame = segment.frames[i];
      files_.restore(intact);
      overwrite(segment.path, frame.at, std::string(frame.head.frame_bytes(), '\0'));
      expect_log(frame.head.first, frame.head.end(), model_.size(), &segment == &segments_.back());
    }
    files_.restore(intact);
  }
}

TEST_F(DamagedLog, whole_frames_of_a_sealed_segment_may_be_gone) {
  const PlacedSegment& segment = segments_[0];
  overwrite(segment.path, segment.frames[2].at, std::string(segment.data_end() - segment.frames[2].at, '\0'));
  log_.open();
  const Reading reading = read_from(*log_, 0);
  ASSERT_FALSE(reading.damage.empty());
  EXPECT_EQ(reading.damage.front().first, segment.frames[2].head.first);
  EXPECT_EQ(reading.damage.back().second, segments_[1].head.first);
  EXPECT_EQ(reading.next, log_->synced_end());
}

TEST_F(DamagedLog, frame_copied_to_another_place_never_passes) {
  const PlacedSegment& last = segments_.back();
  const auto file = must(files_.open(last.path, OpenMode::kRead));
  std::string group(last.frames[0].head.frame_bytes(), '\0');
  ASSERT_LE(last.data_end() + group.size(), last.head.file_bytes);
  must(file->read_at(last.frames[0].at, std::as_writable_bytes(std::span(group))));
  overwrite(last.path, last.data_end(), group);
  expect_log(0, 0, model_.size(), true);
}

TEST_F(DamagedLog, frame_head_at_another_place_never_passes) {
  const PlacedSegment& segment = segments_[0];
  const PlacedFrame& damaged = segment.frames[2];
  const auto file = must(files_.open(segment.path, OpenMode::kRead));
  std::string head(kFrameHeadBytes, '\0');
  must(file->read_at(segment.frames[4].at, std::as_writable_bytes(std::span(head))));
  overwrite(segment.path, damaged.at + kFrameAlignment, head);
  expect_log(damaged.head.first, damaged.head.end(), model_.size(), false);
}

TEST_F(DamagedLog, frame_of_another_log_never_passes) {
  MemoryFileSystem other_files;
  const auto other_options = small_log(kDirectory);
  ManualClock clock;
  SeededRandom random(99);
  Metrics metrics;
  RecoveryReport report;
  must(Log::open(other_files, clock, random, metrics, other_options, report));
  const auto path = segments_[0].path;
  const PlacedSegment other = place(other_files, path);
  ASSERT_EQ(other.frames[0].at, segments_[0].frames[0].at);
  std::string foreign(other.frames[0].head.frame_bytes(), '\0');
  must(must(other_files.open(path, OpenMode::kRead))
           ->read_at(other.frames[0].at, std::as_writable_bytes(std::span(foreign))));
  overwrite(path, other.frames[0].at, foreign);
  expect_log(0, 1, model_.size(), false);
}

TEST_F(DamagedLog, damaged_definitions_are_handed_out_from_their_echo) {
  for (const PlacedSegment& segment : segments_) {
    for (const PlacedFrame& frame : segment.frames) {
      if (!frame.head.has_sticky() || frame.head.record_count < 2) continue;
      const auto intact = files_.snapshot();
      files_.flip_bit(segment.path, frame.at + 70, 0);
      log_.open();
      auto reader = log_->reader();
      Page page;
      for (Offset from = 0; from <= frame.head.end(); ++from) {
        must(reader->seek(from));
        const Offset definitions = frame.head.first + 1;
        for (bool more = true; more; more = reader->position() < frame.head.end()) {
          must(reader->read({1, 1}, page));
        }
        EXPECT_EQ(reader->sticky().at(RecordKind::kDefinitions), model_.at(definitions).payload) << from;
      }
      log_.close();
      files_.restore(intact);
    }
  }
}

TEST_F(DamagedLog, both_copies_of_sticky_records_lost_stops_reading_there_and_starts_before) {
  for (const PlacedSegment& segment : segments_) {
    for (std::size_t i = 0; i + 2 < segment.frames.size(); ++i) {
      if (!segment.frames[i].head.has_sticky()) continue;
      const auto intact = files_.snapshot();
      files_.flip_bit(segment.path, segment.frames[i].at + 70, 0);
      files_.flip_bit(segment.path, segment.frames[i + 1].at + 70, 0);
      const auto opened = log_.try_open();
      if (&segment == &segments_.back()) {
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code(), Errc::kCorrupt);
      } else {
        must(opened);
        auto reader = log_->reader();
        must(reader->seek(segment.frames[i].head.first));
        Page page;
        for (int attempt = 0; attempt < 2; ++attempt) {
          EXPECT_EQ(reader->read({}, page).error().code(), Errc::kCorrupt);
          EXPECT_EQ(reader->position(), segment.frames[i].head.first);
        }
        must(reader->seek(segments_.back().head.first));  // The next segment's head knows again.
        must(reader->read({}, page));
        EXPECT_THAT(page.damage, IsEmpty());
        log_.close();
      }
      files_.restore(intact);
    }
  }
}

TEST_F(DamagedLog, tear_behind_damage_rolls_so_that_the_damage_stays_proven) {
  const PlacedSegment& last = segments_.back();
  const PlacedFrame& torn = last.frames.back();
  const PlacedFrame& damaged = last.frames[last.frames.size() - 2];
  ASSERT_FALSE(damaged.head.is_echo());
  files_.flip_bit(last.path, damaged.at + 70, 0);
  files_.flip_bit(last.path, torn.at + 70, 0);
  // At whatever operation the next start dies, the damaged group is never taken for the torn one.
  const auto intact = files_.snapshot();
  for (std::uint64_t after = 0;; ++after) {
    files_.restore(intact);
    files_.inject({.operation = FileOperation::kWrite, .after = after, .repeats = true});
    const bool opened = log_.try_open().has_value();
    log_.close();
    files_.clear_faults();
    files_.lose_unsynced(after);
    log_.open();
    const Reading reading = read_from(*log_, 0);
    ASSERT_THAT(reading.damage, SizeIs(1));
    EXPECT_EQ(reading.damage[0], std::pair(damaged.head.first, damaged.head.end()));
    EXPECT_EQ(log_->segments().size(), segments_.size() + 1);
    log_.close();
    if (opened) break;
  }
}

TEST_F(DamagedLog, newer_versions_are_refused) {
  const std::string path = segments_[0].path;
  std::string block(segments_[0].head.head_bytes, '\0');
  must(must(files_.open(path, OpenMode::kRead))->read_at(0, std::as_writable_bytes(std::span(block))));
  store_le(block.data() + 16, std::uint32_t{2});
  store_le(block.data() + 8, hash64(as_bytes(block).subspan(16)));
  overwrite(path, 0, block);
  EXPECT_EQ(log_.try_open().error().code(), Errc::kUnsupported);
}

}  // namespace
}  // namespace tidemark::log
