#include <gtest/gtest.h>

#include "claim_rules.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"

namespace tidemark::keyset {
namespace {

constexpr microseconds kWindow = std::chrono::hours(32);

KeySetOptions options() {
  KeySetOptions options;
  options.directory = "keyset";
  options.window = kWindow;
  options.memory_bytes = 1 << 20;
  return options;
}

/// A short life with everything in it: checkpoints, merges, an identity claimed anew after it expired, expiry.
Result<void> live(RuledKeySet& keys, SeededRandom& random) {
  std::vector<ClaimRequest> first;
  for (int round = 0; round < 10; ++round) {
    std::vector<ClaimRequest> batch;
    for (int i = 0; i < 60; ++i) batch.push_back({{random.next(), random.next()}, 1});
    if (round == 0) first = batch;
    if (round == 9) batch.insert(batch.end(), first.begin(), first.end());
    TIDEMARK_TRY(keys.claim(batch));
    TIDEMARK_TRY(keys.checkpoint());
    TIDEMARK_TRY(keys.run_background());
    keys.advance(round < 5 ? microseconds(1) : round == 8 ? kWindow : kWindow / 40);
    if (round >= 8) TIDEMARK_TRY(keys.set().expire(keys.now()));
  }
  TIDEMARK_TRY(keys.run_background());
  return keys.check_all();
}

struct Fault {
  const char* name;
  FileOperation operation;
  Errc code;
  std::uint64_t written_bytes;
};

class KeySetFault : public testing::TestWithParam<Fault> {
 protected:
  /// Lives with the n-th operation failing; false once there are fewer than n.
  bool live_with_fault(std::uint64_t n, bool lose_power) {
    MemoryFileSystem files;
    SeededRandom random(n);
    RuledKeySet keys(files, options());
    must(keys.open());
    files.inject({.operation = GetParam().operation,
                  .after = n,
                  .code = GetParam().code,
                  .written_bytes = GetParam().written_bytes});
    const auto lived = live(keys, random);
    if (!lived) {
      EXPECT_EQ(lived.error().code(), GetParam().code) << lived.error().message();
    }
    const bool struck = files.count(GetParam().operation) > n;
    files.clear_faults();
    if (lose_power) files.lose_unsynced(random.next());
    keys.close();
    must(keys.open());
    must(keys.check_all());
    must(keys.checkpoint());
    must(keys.run_background());
    must(keys.check_all());
    return struck;
  }
};

TEST_P(KeySetFault, at_any_operation_forgets_no_claim) {
  for (const bool lose_power : {false, true}) {
    std::uint64_t n = 0;
    while (live_with_fault(n, lose_power) && !HasFailure()) ++n;
    EXPECT_GT(n, 5U);
  }
}

INSTANTIATE_TEST_SUITE_P(Faults, KeySetFault,
                         testing::Values(Fault{"open", FileOperation::kOpen, Errc::kIo, 0},
                                         Fault{"read", FileOperation::kRead, Errc::kIo, 0},
                                         Fault{"write", FileOperation::kWrite, Errc::kIo, 0},
                                         Fault{"short_write", FileOperation::kWrite, Errc::kIo, 100},
                                         Fault{"full_write", FileOperation::kWrite, Errc::kDiskFull, 100},
                                         Fault{"full_sync", FileOperation::kSync, Errc::kDiskFull, 0},
                                         Fault{"full_rename", FileOperation::kRename, Errc::kDiskFull, 0},
                                         Fault{"full_directory", FileOperation::kSyncDirectory, Errc::kDiskFull, 0},
                                         Fault{"sync", FileOperation::kSync, Errc::kIo, 0},
                                         Fault{"rename", FileOperation::kRename, Errc::kIo, 0},
                                         Fault{"remove", FileOperation::kRemove, Errc::kIo, 0},
                                         Fault{"sync_directory", FileOperation::kSyncDirectory, Errc::kIo, 0}),
                         [](const auto& fault) { return fault.param.name; });

/// Power goes after each single step of the background.
TEST(KeySetPowerLoss, after_any_step_forgets_no_claim) {
  MemoryFileSystem files;
  SeededRandom random(11);
  RuledKeySet keys(files, options());
  must(keys.open());
  for (int round = 0; round < 60 && !testing::Test::HasFailure(); ++round) {
    std::vector<ClaimRequest> batch;
    for (int i = 0; i < 30; ++i) batch.push_back({{random.next(), random.next()}, 1});
    must(keys.claim(batch));
    must(keys.set().checkpoint_if_due(keys.next_offset(), true));
    for (std::uint64_t steps = random.below(8); steps > 0 && must(keys.set().step()); --steps) {
    }
    keys.advance(kWindow / static_cast<std::int64_t>(1 + random.below(200)));
    must(keys.set().expire(keys.now()));
    files.lose_unsynced(random.next());
    keys.close();
    must(keys.open());
    must(keys.check_all());
  }
}

TEST(KeySetBitFlip, anywhere_on_disk_stops_the_start_or_a_claim_and_never_answers_wrongly) {
  MemoryFileSystem files;
  SeededRandom random(5);
  RuledKeySet keys(files, options());
  must(keys.open());
  for (int round = 0; round < 3; ++round) {
    std::vector<ClaimRequest> batch;
    for (int i = 0; i < 150; ++i) batch.push_back({{random.next(), random.next()}, 1});
    must(keys.claim(batch));
    must(keys.checkpoint());
  }
  keys.close();
  const auto whole = files.snapshot();
  int found = 0;
  for (const std::string& name : must(files.list("keyset"))) {
    const std::string path = "keyset/" + name;
    const std::uint64_t size = must(must(files.open(path, OpenMode::kRead))->size());
    for (std::uint64_t at = 0; at < size; at += 1 + random.below(size / 200 + 1)) {
      files.restore(whole);
      files.flip_bit(path, at, static_cast<unsigned>(random.below(8)));
      auto opened = keys.open();
      if (opened) opened = keys.check_all();
      ASSERT_TRUE(opened || opened.error().code() == Errc::kCorrupt)
          << path << " " << at << " " << opened.error().message();
      if (!opened) {
        ++found;
        ASSERT_NE(opened.error().message().find(path), std::string::npos);
      }
      keys.close();
    }
  }
  EXPECT_GT(found, 300);
}

}  // namespace
}  // namespace tidemark::keyset
