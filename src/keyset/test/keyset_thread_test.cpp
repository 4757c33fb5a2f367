#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "claim_rules.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"

namespace tidemark::keyset {
namespace {

/// The committer claims while the background thread writes, merges and drops, and others watch.
TEST(KeySetThreads, claims_hold_while_the_background_works_and_others_watch) {
  MemoryFileSystem files;
  SeededRandom random(1);
  Metrics metrics;
  KeySetOptions options;
  options.directory = "keyset";
  options.window = std::chrono::hours(1);
  options.memory_bytes = 1 << 20;
  KeySetReport report;
  auto keys = must(KeySet::open(files, random, metrics, options, kTestLog, report));

  std::atomic<bool> done{false};
  std::thread watcher([&] {
    std::uint64_t covered = 0;
    while (!done) {
      const KeySetStats stats = keys->stats();
      EXPECT_LE(stats.resident_bytes, options.memory_bytes + (64u << 10));
      const std::uint64_t now_covered = keys->covered_to();
      EXPECT_GE(now_covered, covered);
      covered = now_covered;
      EXPECT_FALSE(keys->background_error());
      EXPECT_FALSE(metrics.exposition().empty());
    }
  });

  Timestamp now = from_micros(1'714'564'800'000'000);
  std::vector<ClaimRequest> last;
  std::uint64_t offset = 1;
  for (int round = 0; round < 400; ++round) {
    std::vector<ClaimRequest> batch;
    for (int i = 0; i < 200; ++i) batch.push_back({{random.next(), random.next()}, 1});
    batch.insert(batch.end(), last.begin(), last.end());
    std::vector<ClaimAnswer> answers(batch.size());
    must(keys->claim(batch, offset++, now, now, answers));
    for (std::size_t i = 0; i < batch.size(); ++i) ASSERT_EQ(answers[i].is_new, i < 200);
    last.assign(batch.begin(), batch.begin() + 200);
    must(keys->checkpoint_if_due(offset, round % 50 == 0));
    now += options.window / 100;
    must(keys->expire(now));
  }
  must(keys->checkpoint_if_due(offset, true));
  must(keys->wait_for_checkpoint());
  EXPECT_EQ(keys->covered_to(), offset);
  done = true;
  watcher.join();
}

TEST(KeySetThreads, an_error_of_the_background_thread_ends_waiting) {
  MemoryFileSystem files;
  SeededRandom random(1);
  Metrics metrics;
  KeySetOptions options;
  options.directory = "keyset";
  options.window = std::chrono::hours(1);
  KeySetReport report;
  auto keys = must(KeySet::open(files, random, metrics, options, kTestLog, report));
  const ClaimRequest request{{1, 2}, 3};
  ClaimAnswer answer;
  must(keys->claim(std::span(&request, 1), 1, from_micros(10), from_micros(10), std::span(&answer, 1)));
  files.inject({.operation = FileOperation::kSync, .repeats = true});
  must(keys->checkpoint_if_due(2, true));
  EXPECT_EQ(keys->wait_for_checkpoint().error().code(), Errc::kIo);
  EXPECT_TRUE(keys->background_error());
}

TEST(KeySetThreads, no_space_ends_waiting_and_the_table_is_written_once_there_is_some) {
  MemoryFileSystem files;
  SeededRandom random(1);
  Metrics metrics;
  KeySetOptions options;
  options.directory = "keyset";
  options.window = std::chrono::hours(1);
  KeySetReport report;
  auto keys = must(KeySet::open(files, random, metrics, options, kTestLog, report));
  const ClaimRequest request{{1, 2}, 3};
  ClaimAnswer answer;
  must(keys->claim(std::span(&request, 1), 1, from_micros(10), from_micros(10), std::span(&answer, 1)));
  files.set_free_bytes(0);
  must(keys->checkpoint_if_due(2, true));
  EXPECT_EQ(keys->wait_for_checkpoint().error().code(), Errc::kDiskFull);
  files.set_free_bytes(1 << 20);
  while (keys->covered_to() < 2) std::this_thread::yield();
  EXPECT_FALSE(keys->background_error());
}

}  // namespace
}  // namespace tidemark::keyset
