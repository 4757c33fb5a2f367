#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "log_fixture.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"

namespace tidemark::log {
namespace {

constexpr std::uint64_t kGroups = 2000;

/// Reads until `last` has been seen, checking that each record is the one that was committed there.
void follow(Log& log, Offset last, ReadLimits limits) {
  auto reader = log.reader();
  must(reader->seek(1));
  Page page;
  Offset next = 1;
  while (next <= last) {
    must(reader->read(limits, page));
    ASSERT_TRUE(page.damage.empty());
    for (const Record& record : page.records) {
      ASSERT_EQ(record.offset, next);
      ASSERT_EQ(as_text(record.payload), payload_of(300, record.offset));
      ++next;
    }
    ASSERT_EQ(page.next, next);
    if (page.at_end) std::this_thread::yield();
  }
}

TEST(Readers, follow_the_committer_from_other_threads) {
  MemoryFileSystem files;
  auto options = small_log("/data/log", 16384);
  options.prepare_in_background = true;
  LogUnderTest log(files, options);
  log.open();
  std::atomic<bool> done{false};
  {
    std::vector<std::jthread> threads;
    threads.emplace_back([&] { follow(*log, kGroups, {}); });
    threads.emplace_back([&] { follow(*log, kGroups, {3, 500}); });
    threads.emplace_back([&] {
      while (!done) {
        const Offset end = log->synced_end();
        EXPECT_TRUE(log->start_at(end));
        static_cast<void>(log->bytes_from(end / 2));
        auto reader = log->reader();
        must(reader->seek(end));
        EXPECT_GE(log->segments().back().end, end);
        std::this_thread::yield();
      }
    });
    for (std::uint64_t i = 1; i <= kGroups; ++i) {
      must(log.commit({{i % 50 == 0 ? RecordKind::kDefinitions : RecordKind::kEvents, payload_of(300, i)}}));
    }
    done = true;
  }
}

TEST(Readers, under_which_the_log_is_trimmed_are_told_or_read_on) {
  MemoryFileSystem files;
  LogUnderTest log(files, small_log("/data/log", 8192));
  log.open();
  std::atomic<bool> done{false};
  std::jthread reading([&] {
    auto reader = log->reader();
    Page page;
    while (!done) {
      if (!reader->seek(log->first_offset())) continue;  // Trimmed in between.
      for (int reads = 0; reads < 50; ++reads) {
        const auto read = reader->read({5, 2000}, page);
        if (!read) {
          EXPECT_EQ(read.error().code(), Errc::kNotFound);
          break;
        }
        EXPECT_TRUE(page.damage.empty());
        for (const Record& record : page.records) {
          const bool is_start = record.kind == RecordKind::kStart;
          EXPECT_TRUE(is_start || as_text(record.payload) == payload_of(300, record.offset));
        }
      }
    }
  });
  for (std::uint64_t i = 1; i <= kGroups; ++i) {
    must(log.commit(payload_of(300, i)));
    if (i % 10 == 0 && log->oldest_trimmable(log->synced_end(), log->last_arrival())) must(log->drop_oldest());
  }
  done = true;
}

}  // namespace
}  // namespace tidemark::log
