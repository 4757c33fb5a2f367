#include "tidemark/keyset/keyset.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "claim_rules.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"

namespace tidemark::keyset {
namespace {

constexpr microseconds kWindow = std::chrono::hours(32);
constexpr microseconds kBucket = std::chrono::hours(1);

KeySetOptions small_options() {
  KeySetOptions options;
  options.directory = "data/keyset";
  options.window = kWindow;
  options.memory_bytes = 1 << 20;
  return options;
}

class KeySetTest : public testing::Test {
 protected:
  KeySetTest() { must(keys_.open()); }

  std::vector<ClaimRequest> draw(std::size_t count) {
    std::vector<ClaimRequest> requests;
    for (std::size_t i = 0; i < count; ++i) requests.push_back({{random_.next(), random_.next()}, random_.next()});
    return requests;
  }
  ClaimAnswer ask(const ClaimRequest& request) {
    ClaimAnswer answer;
    must(keys_.set().claim(std::span(&request, 1), keys_.next_offset(), keys_.now(), keys_.now(),
                           std::span(&answer, 1)));
    return answer;
  }
  std::vector<std::string> files_in_directory() { return must(files_.list("data/keyset")); }
  Error open_error(KeySetOptions options = small_options(), std::array<std::byte, 16> log = kTestLog) {
    KeySetReport report;
    auto opened = KeySet::open(files_, random_, metrics_, std::move(options), log, report);
    return opened ? Error(Errc::kInternal, "it opened") : opened.error();
  }

  MemoryFileSystem files_;
  SeededRandom random_{3};
  Metrics metrics_;
  RuledKeySet keys_{files_, small_options()};
};

TEST_F(KeySetTest, a_claim_is_new_once_and_then_answers_its_owner) {
  const auto batch = draw(40);
  must(keys_.claim(batch));
  must(keys_.claim(batch));
  must(keys_.checkpoint());
  must(keys_.claim(batch));
}

TEST_F(KeySetTest, other_content_under_a_known_identity_is_told) {
  auto batch = draw(2);
  must(keys_.claim(batch));
  batch[1].content += 1;
  EXPECT_TRUE(ask(batch[0]).same_content);
  EXPECT_FALSE(ask(batch[1]).same_content);
  EXPECT_FALSE(ask(batch[1]).is_new);
}

TEST_F(KeySetTest, an_identity_twice_in_one_call_is_new_the_first_time_only) {
  auto batch = draw(60);
  for (std::size_t i = 0; i < 30; ++i) batch.push_back(batch[i]);
  batch.insert(batch.begin() + 1, batch[0]);
  must(keys_.claim(batch));
}

TEST_F(KeySetTest, looking_up_remembers_nothing) {
  ClaimRequest request = draw(1).front();
  request.look_up_only = true;
  EXPECT_TRUE(ask(request).is_new);
  EXPECT_TRUE(ask(request).is_new);
  EXPECT_EQ(keys_.set().stats().claims, 0U);
  must(keys_.claim({request, {request.identity, 5}, request}));
}

TEST_F(KeySetTest, released_claims_are_forgotten_and_older_ones_stay) {
  const auto first = draw(50);
  must(keys_.claim(first));
  auto second = draw(100);
  second.insert(second.end(), first.begin(), first.end());
  second[3].look_up_only = true;
  second.push_back(second[5]);
  must(keys_.claim(second, true));
  EXPECT_EQ(keys_.set().stats().claims, first.size());
  must(keys_.claim(second));
}

TEST_F(KeySetTest, a_claim_is_known_until_the_window_has_passed_and_new_after) {
  const auto batch = draw(20);
  must(keys_.claim(batch));
  must(keys_.checkpoint());
  keys_.advance(kWindow - microseconds(1));
  EXPECT_FALSE(ask(batch[0]).is_new);
  keys_.advance(microseconds(1));
  must(keys_.claim(batch));
  must(keys_.claim(batch));
}

TEST_F(KeySetTest, a_claim_that_expired_in_the_table_is_claimed_anew_and_released) {
  const auto batch = draw(20);
  must(keys_.claim(batch));
  keys_.advance(kWindow);
  must(keys_.claim(batch, true));
  must(keys_.claim(batch));
  must(keys_.checkpoint());
  must(keys_.claim(batch));
}

TEST_F(KeySetTest, the_newest_of_two_claims_counts_after_merging_and_reopening) {
  const auto batch = draw(200);
  must(keys_.claim(batch));
  must(keys_.checkpoint());
  keys_.advance(kWindow);
  must(keys_.claim(batch));
  must(keys_.checkpoint());
  must(keys_.check_all());
  keys_.advance(kWindow / 2);
  must(keys_.claim(draw(1)));
  must(keys_.checkpoint());
  must(keys_.run_background());
  must(keys_.check_all());
  must(keys_.open());
  must(keys_.check_all());
}

TEST_F(KeySetTest, an_earlier_arrival_counts_as_the_last) {
  const auto batch = draw(2);
  must(keys_.claim({batch[0]}));
  ClaimAnswer answer;
  must(keys_.set().claim(std::span(&batch[1], 1), keys_.next_offset(), keys_.now() - kWindow, keys_.now(),
                         std::span(&answer, 1)));
  keys_.advance(kWindow - microseconds(1));
  EXPECT_FALSE(ask(batch[1]).is_new);
}

TEST_F(KeySetTest, a_claim_stays_known_while_trusted_time_stands_still_whatever_the_arrival) {
  const auto batch = draw(1);
  must(keys_.claim(batch));
  for (const bool on_disk : {false, true}) {
    if (on_disk) must(keys_.checkpoint());
    ClaimAnswer answer;
    must(keys_.set().claim(batch, keys_.next_offset(), keys_.now() + 2 * kWindow, keys_.now(), std::span(&answer, 1)));
    EXPECT_FALSE(answer.is_new);
  }
}

TEST_F(KeySetTest, restoring_gives_an_identity_to_the_later_record) {
  const auto batch = draw(1);
  must(keys_.set().restore(batch[0].identity, 1, {5, 0}, keys_.now()));
  must(keys_.set().restore(batch[0].identity, 2, {6, 3}, keys_.now()));
  must(keys_.set().restore(batch[0].identity, 1, {5, 0}, keys_.now()));
  EXPECT_EQ(ask(batch[0]).owner, (OwnerPosition{6, 3}));
  EXPECT_EQ(keys_.set().stats().claims, 1U);
}

TEST_F(KeySetTest, positions_and_times_out_of_range_are_refused_and_nothing_is_remembered) {
  const auto batch = draw(1);
  ClaimAnswer answer;
  EXPECT_EQ(keys_.set().claim(batch, 1ull << 48, keys_.now(), keys_.now(), std::span(&answer, 1)).error().code(),
            Errc::kTooLarge);
  EXPECT_EQ(keys_.set().claim(batch, 1, from_micros(-1), keys_.now(), std::span(&answer, 1)).error().code(),
            Errc::kTooLarge);
  EXPECT_EQ(keys_.set().stats().claims, 0U);
}

TEST_F(KeySetTest, expired_segments_are_dropped_whole_and_only_when_told) {
  for (int hour = 0; hour < 3; ++hour) {
    must(keys_.claim(draw(10)));
    must(keys_.checkpoint());
    keys_.advance(kBucket);
  }
  must(keys_.run_background());
  ASSERT_EQ(keys_.set().stats().segments, 3U);
  keys_.advance(kWindow);
  must(keys_.claim(draw(1)));
  must(keys_.run_background());
  EXPECT_EQ(keys_.set().stats().claims, 31U);
  must(keys_.set().expire(keys_.now() - 2 * kBucket));
  must(keys_.run_background());
  EXPECT_EQ(keys_.set().stats().segments, 1U);
  must(keys_.set().expire(keys_.now()));
  must(keys_.run_background());
  EXPECT_EQ(keys_.set().stats().segments, 0U);
  EXPECT_EQ(keys_.set().stats().claims, 1U);
  EXPECT_EQ(files_in_directory(), std::vector<std::string>{"manifest"});
}

TEST_F(KeySetTest, expiry_ends_a_merge_of_what_is_dropped) {
  for (int i = 0; i < 4; ++i) {
    must(keys_.claim(draw(40'000)));
    must(keys_.checkpoint());
  }
  // The merge has begun when the first step of it is done, and needs more than one.
  while (must(keys_.set().step()) && files_in_directory().size() < 6) {
  }
  ASSERT_EQ(files_in_directory().size(), 6U);
  keys_.advance(kWindow);
  must(keys_.set().expire(keys_.now()));
  must(keys_.run_background());
  EXPECT_EQ(files_in_directory(), std::vector<std::string>{"manifest"});
  must(keys_.check_all());
}

TEST_F(KeySetTest, an_empty_checkpoint_moves_covered_to) {
  EXPECT_EQ(keys_.set().covered_to(), 0U);
  must(keys_.set().checkpoint_if_due(100, true));
  must(keys_.set().wait_for_checkpoint());
  EXPECT_EQ(keys_.set().covered_to(), 100U);
  EXPECT_EQ(keys_.set().stats().segments, 0U);
}

TEST_F(KeySetTest, restoring_a_covered_or_known_claim_changes_nothing) {
  const auto batch = draw(2);
  must(keys_.claim(batch));
  must(keys_.checkpoint());
  must(keys_.claim(draw(1)));
  const std::uint64_t claims = keys_.set().stats().claims;
  must(keys_.set().restore(batch[0].identity, 99, {1, 0}, keys_.now()));
  EXPECT_EQ(keys_.set().stats().claims, claims);
  must(keys_.set().restore(batch[1].identity, 99, {1, 1}, keys_.now()));
  EXPECT_TRUE(ask(batch[1]).same_content);
}

TEST_F(KeySetTest, the_secret_stays_and_differs_between_stores) {
  const FingerprintKey key = keys_.set().fingerprint_key();
  must(keys_.open());
  EXPECT_EQ(keys_.set().fingerprint_key().bytes, key.bytes);
  KeySetOptions options = small_options();
  options.directory = "data/other";
  KeySetReport report;
  EXPECT_NE(must(KeySet::open(files_, random_, metrics_, options, kTestLog, report))->fingerprint_key().bytes,
            key.bytes);
  EXPECT_TRUE(report.created);
}

TEST_F(KeySetTest, the_key_set_of_another_log_is_refused) {
  const Error error = open_error(small_options(), {});
  EXPECT_EQ(error.code(), Errc::kRefused);
  EXPECT_NE(error.message().find("data/keyset"), std::string::npos);
}

TEST_F(KeySetTest, segments_without_a_manifest_are_corrupt) {
  must(keys_.claim(draw(1)));
  must(keys_.checkpoint());
  keys_.close();
  must(files_.remove("data/keyset/manifest"));
  EXPECT_EQ(open_error().code(), Errc::kCorrupt);
}

TEST_F(KeySetTest, a_missing_segment_is_corrupt_and_named) {
  must(keys_.claim(draw(1)));
  must(keys_.checkpoint());
  keys_.close();
  must(files_.remove("data/keyset/segment-0000000000000001"));
  const Error error = open_error();
  EXPECT_EQ(error.code(), Errc::kCorrupt);
  EXPECT_NE(error.message().find("segment-0000000000000001"), std::string::npos);
  EXPECT_NE(error.message().find("backup"), std::string::npos);
}

TEST_F(KeySetTest, leftovers_are_removed_and_foreign_files_stay) {
  must(keys_.claim(draw(1)));
  must(keys_.checkpoint());
  keys_.close();
  for (const char* name : {"segment-0000000000000077", "manifest.tmp", "notes.txt"}) {
    must(files_.open(std::string("data/keyset/") + name, OpenMode::kCreate));
  }
  must(keys_.open());
  EXPECT_EQ(files_in_directory(), (std::vector<std::string>{"manifest", "notes.txt", "segment-0000000000000001"}));
  must(keys_.check_all());
}

TEST_F(KeySetTest, options_out_of_range_are_refused_and_named) {
  KeySetOptions options = small_options();
  options.memory_bytes = 1000;
  EXPECT_EQ(open_error(options).code(), Errc::kInvalidArgument);
  EXPECT_NE(open_error(options).message().find("keyset_memory_bytes"), std::string::npos);
  options = small_options();
  options.window = {};
  EXPECT_EQ(open_error(options).code(), Errc::kInvalidArgument);
  options = small_options();
  options.time_buckets = 0;
  EXPECT_EQ(open_error(options).code(), Errc::kInvalidArgument);
}

TEST_F(KeySetTest, memory_stays_within_its_bound_whatever_is_claimed) {
  constexpr std::uint64_t kRounds = 2'500, kPerRound = 200;
  std::uint64_t most = 0;
  for (std::uint64_t i = 0; i < kRounds; ++i) {
    must(keys_.claim(draw(kPerRound)));
    must(keys_.checkpoint_if_due());
    if (i % 3 == 0) must(keys_.set().step());
    most = std::max(most, keys_.set().stats().resident_bytes);
    keys_.advance(kBucket / 500);
  }
  EXPECT_LE(most, 1U << 20);
  EXPECT_GT(keys_.set().stats().filters_halved, 0U);
  EXPECT_GT(keys_.set().stats().disk_bytes, kRounds * kPerRound * 40);
  EXPECT_LT(keys_.set().stats().disk_bytes, kRounds * kPerRound * 45);
  must(keys_.check_all());
  must(keys_.open());
  EXPECT_LE(keys_.set().stats().resident_bytes, 1U << 20);
  must(keys_.check_all());
  // Most of it expires, and what stays has room for whole filters.
  keys_.advance(kWindow * 31 / 32);
  must(keys_.set().expire(keys_.now()));
  must(keys_.run_background());
  EXPECT_GT(keys_.set().stats().segments, 0U);
  EXPECT_EQ(keys_.set().stats().filters_halved, 0U);
  must(keys_.check_all());
}

TEST_F(KeySetTest, more_claims_than_halved_filters_have_room_for_are_answered_from_disk) {
  KeySet& set = keys_.set();
  const auto first = draw(100'000);
  std::vector<ClaimAnswer> answers(first.size());
  for (std::uint64_t offset = 1; offset <= 20; ++offset) {
    must(set.claim(offset == 1 ? first : draw(first.size()), offset, keys_.now(), keys_.now(), answers));
    must(set.checkpoint_if_due(offset + 1, true));
    must(keys_.run_background());
    keys_.advance(kBucket);
  }
  EXPECT_GT(set.stats().filters_on_disk, 0U);
  EXPECT_LE(set.stats().resident_bytes, 1U << 20);
  must(set.claim(first, 100, keys_.now(), keys_.now(), answers));
  for (std::uint32_t i = 0; i < answers.size(); ++i) {
    ASSERT_FALSE(answers[i].is_new);
    ASSERT_EQ(answers[i].owner, (OwnerPosition{1, i}));
  }
}

TEST_F(KeySetTest, a_call_of_many_rounds_sees_its_own_claims_and_those_on_disk) {
  auto batch = draw(5'000);
  must(keys_.claim(batch));
  must(keys_.checkpoint());
  must(keys_.run_background());
  const auto more = draw(10'000);
  batch.insert(batch.begin(), more.begin(), more.end());
  batch.insert(batch.end(), more.begin(), more.end());
  must(keys_.claim(batch, true));
  must(keys_.claim(batch));
  must(keys_.check_all());
}

TEST_F(KeySetTest, the_share_of_tables_shrinks_as_filters_grow_but_segments_stay_few) {
  for (int i = 0; i < 2'000; ++i) {
    must(keys_.claim(draw(20)));
    must(keys_.checkpoint_if_due());
    keys_.advance(kWindow / 2'000);
  }
  must(keys_.run_background());
  EXPECT_LE(keys_.set().stats().segments, 30U);
  must(keys_.check_all());
}

TEST_F(KeySetTest, a_read_that_fails_leaves_nothing_of_the_call_behind) {
  const auto old = draw(100);
  must(keys_.claim(old));
  must(keys_.checkpoint());
  auto batch = draw(50);
  batch.push_back(old[0]);
  std::vector<ClaimAnswer> answers(batch.size());
  files_.inject({.operation = FileOperation::kRead});
  const auto failed = keys_.set().claim(batch, keys_.next_offset(), keys_.now(), keys_.now(), answers);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::kIo);
  EXPECT_EQ(keys_.set().stats().claims, old.size());
  must(keys_.claim(batch));
}

TEST_F(KeySetTest, a_corrupt_block_is_an_error_never_a_new_claim) {
  const auto old = draw(100);
  must(keys_.claim(old));
  must(keys_.checkpoint());
  must(keys_.run_background());
  files_.flip_bit("data/keyset/segment-0000000000000001", 4096 + 77);
  std::vector<ClaimAnswer> answers(old.size());
  const auto failed = keys_.set().claim(old, keys_.next_offset(), keys_.now(), keys_.now(), answers);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Errc::kCorrupt);
}

TEST_F(KeySetTest, no_space_keeps_the_claims_and_is_tried_again) {
  const auto batch = draw(300);
  must(keys_.claim(batch));
  files_.set_free_bytes(1'000);
  must(keys_.set().checkpoint_if_due(keys_.next_offset(), true));
  EXPECT_EQ(keys_.set().wait_for_checkpoint().error().code(), Errc::kDiskFull);
  EXPECT_FALSE(keys_.set().background_error());
  EXPECT_EQ(keys_.set().covered_to(), 0U);
  must(keys_.claim(batch));
  must(keys_.claim(draw(10)));
  EXPECT_EQ(keys_.set().checkpoint_if_due(keys_.next_offset(), true).error().code(), Errc::kDiskFull);
  files_.set_free_bytes(1 << 30);
  must(keys_.checkpoint());
  must(keys_.run_background());
  must(keys_.check_all());
}

TEST_F(KeySetTest, an_error_of_the_background_is_kept_and_told) {
  must(keys_.claim(draw(10)));
  files_.inject({.operation = FileOperation::kSync});
  must(keys_.set().checkpoint_if_due(keys_.next_offset(), true));
  EXPECT_EQ(keys_.set().wait_for_checkpoint().error().code(), Errc::kIo);
  ASSERT_TRUE(keys_.set().background_error());
  EXPECT_EQ(keys_.set().background_error()->code(), Errc::kIo);
  EXPECT_FALSE(keys_.set().checkpoint_if_due(keys_.next_offset()));
  EXPECT_FALSE(keys_.set().expire(keys_.now()));
  files_.lose_unsynced();
  must(keys_.open());
  must(keys_.check_all());
}

TEST_F(KeySetTest, tells_its_sizes) {
  must(keys_.claim(draw(1'000)));
  EXPECT_EQ(keys_.set().stats().claims, 1'000U);
  EXPECT_EQ(keys_.set().stats().segments, 0U);
  must(keys_.checkpoint());
  must(keys_.run_background());
  const KeySetStats stats = keys_.set().stats();
  EXPECT_EQ(stats.claims, 1'000U);
  EXPECT_EQ(stats.segments, 1U);
  EXPECT_EQ(stats.table_bytes, 0U);
  EXPECT_EQ(stats.resident_bytes, 1'000U / 16 * 64 + 64 + 10 * 8);
  EXPECT_EQ(stats.filters_on_disk, 0U);
}

}  // namespace
}  // namespace tidemark::keyset
