#include "segment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "merge.hpp"
#include "segment_writer.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/seeded_random.hpp"

namespace tidemark::keyset {
namespace {

constexpr LogId kLog{std::byte{7}};
constexpr std::int64_t kWindow = 1'000'000;

class SegmentTest : public testing::Test {
 protected:
  SegmentTest() { must(files_.make_directories("keys")); }

  std::vector<Entry> draw(std::uint64_t count, std::int64_t arrival = 100) {
    std::vector<Entry> entries;
    for (std::uint64_t i = 0; i < count; ++i) {
      entries.push_back(Entry::make({random_.next(), random_.next()}, i, {i, 1}, arrival));
    }
    std::ranges::sort(entries, [](const Entry& a, const Entry& b) { return a.before(b); });
    return entries;
  }

  std::shared_ptr<const Segment> write(std::uint64_t number, const std::vector<Entry>& entries) {
    auto writer = must(SegmentWriter::create(files_, "keys", kLog, number, entries.size()));
    for (const Entry& entry : entries) must(writer->add(entry));
    return must(Segment::open(files_, "keys", kLog, number, must(writer->finish()).checksum));
  }

  std::vector<Entry> scan(const std::shared_ptr<const Segment>& segment) {
    std::vector<Entry> entries;
    SegmentScan scan(segment);
    for (must(scan.advance()); scan.head() != nullptr; must(scan.advance())) entries.push_back(*scan.head());
    return entries;
  }

  std::shared_ptr<const Segment> merge(std::vector<std::shared_ptr<const Segment>> inputs, std::int64_t now = 0) {
    auto merge = must(Merge::begin(files_, "keys", kLog, 99, std::move(inputs), now, kWindow));
    while (!merge->is_complete()) must(merge->step());
    return merge->output();
  }

  std::uint64_t size_of(const std::string& path) { return must(must(files_.open(path, OpenMode::kRead))->size()); }

  MemoryFileSystem files_;
  SeededRandom random_{1};
};

TEST_F(SegmentTest, finds_every_claim_and_nothing_else_at_any_size) {
  for (const std::uint64_t count : {1, 2, 101, 102, 103, 204, 205, 5'000, 40'000}) {
    const auto entries = draw(count);
    const auto segment = write(count, entries);
    const auto filter = must(segment->load_filter(0));
    for (const Entry& entry : entries) {
      ASSERT_TRUE(filter->may_hold(entry.identity(), FilterBits(entry.low)));
      ASSERT_TRUE(must(segment->may_hold(entry.identity())));
      const auto found = must(segment->find(entry.identity()));
      ASSERT_TRUE(found);
      ASSERT_EQ(found->content, entry.content);
      ASSERT_EQ(found->owner(), entry.owner());
      ASSERT_EQ(found->arrival(), entry.arrival());
      ASSERT_FALSE(must(segment->find({entry.high, entry.low + 1})));
    }
    for (int i = 0; i < 200; ++i) ASSERT_FALSE(must(segment->find({random_.next(), random_.next()})));
    EXPECT_FALSE(must(segment->find({0, 0})));
    EXPECT_FALSE(must(segment->find({~0ull, ~0ull})));
    EXPECT_TRUE(std::ranges::equal(scan(segment), entries, {}, &Entry::identity, &Entry::identity));
  }
}

TEST_F(SegmentTest, finds_fingerprints_that_share_their_first_half_over_many_blocks) {
  std::vector<Entry> entries;
  for (const std::uint64_t high : {5ull, 1ull << 63, ~0ull}) {
    for (std::uint64_t low = 0; low < 1'000; ++low) entries.push_back(Entry::make({high, low * 2}, low, {}, 1));
  }
  const auto segment = write(1, entries);
  for (const Entry& entry : entries) {
    ASSERT_TRUE(must(segment->find(entry.identity())));
    ASSERT_FALSE(must(segment->find({entry.high, entry.low + 1})));
  }
  EXPECT_FALSE(must(segment->find({4, 0})));
  EXPECT_FALSE(must(segment->find({6, 0})));
}

TEST_F(SegmentTest, a_filter_lets_few_strangers_through_and_more_the_more_often_it_is_halved) {
  const auto entries = draw(50'000);
  const auto segment = write(1, entries);
  const auto whole = must(segment->load_filter(0));
  constexpr std::array kMostPassed{20, 200, 5'000, 40'000};
  static_assert(kMostPassed.size() == kHalvingsMax + 1);
  for (unsigned halvings = 0; halvings <= kHalvingsMax; ++halvings) {
    const auto filter = must(segment->load_filter(halvings));
    EXPECT_EQ(filter->halvings(), halvings);
    EXPECT_EQ(filter->bytes(), (50'000 / 16 - 1) / (1 << halvings) * 64 + 64);
    EXPECT_EQ(filter->bytes(), segment->filter_bytes(halvings));
    const auto halved = halvings == 0 ? whole : must(segment->load_filter(halvings - 1))->halved(halvings);
    const auto halved_at_once = halvings == 0 ? whole : whole->halved(halvings);
    for (const Entry& entry : entries) ASSERT_TRUE(filter->may_hold(entry.identity(), FilterBits(entry.low)));
    int passed = 0;
    for (int i = 0; i < 100'000; ++i) {
      const Fingerprint stranger{random_.next(), random_.next()};
      const FilterBits bits(stranger.low);
      const bool may_hold = filter->may_hold(stranger, bits);
      ASSERT_EQ(halved->may_hold(stranger, bits), may_hold);
      ASSERT_EQ(halved_at_once->may_hold(stranger, bits), may_hold);
      if (halvings == 0 && i < 1'000) {
        ASSERT_EQ(must(segment->may_hold(stranger)), may_hold);
      }
      passed += may_hold;
    }
    EXPECT_LT(passed, kMostPassed[halvings]);
    RecordProperty("passed_of_100000_at_" + std::to_string(halvings), passed);
  }
}

TEST_F(SegmentTest, a_flipped_bit_anywhere_is_found_or_harmless) {
  const auto entries = draw(1'500);
  const std::uint64_t checksum = write(1, entries)->footer().checksum;
  const std::string path = segment_path("keys", 1);
  const std::uint64_t size = size_of(path);
  const auto whole = files_.snapshot();
  const auto is_corrupt = [&](const Error& error) {
    return error.code() == Errc::kCorrupt && error.message().find(path) != std::string::npos;
  };
  int found_out = 0;
  for (std::uint64_t at = 0; at < size; at += 1 + random_.below(60)) {
    files_.restore(whole);
    files_.flip_bit(path, at, static_cast<unsigned>(random_.below(8)));
    const auto segment = Segment::open(files_, "keys", kLog, 1, checksum);
    if (!segment) {
      ASSERT_TRUE(is_corrupt(segment.error()));
      ++found_out;
      continue;
    }
    int errors = 0;
    const auto filter = (*segment)->load_filter(0);
    if (!filter) errors += is_corrupt(filter.error());
    for (std::size_t i = 0; i < entries.size(); i += 13) {
      const auto may_hold = (*segment)->may_hold(entries[i].identity());
      const auto found = (*segment)->find(entries[i].identity());
      ASSERT_TRUE(!filter || (*filter)->may_hold(entries[i].identity(), FilterBits(entries[i].low))) << at;
      ASSERT_TRUE(may_hold ? *may_hold : is_corrupt(may_hold.error())) << at;
      ASSERT_TRUE(found ? (*found)->content == entries[i].content : is_corrupt(found.error())) << at;
      errors += !may_hold + !found;
    }
    found_out += errors > 0;
  }
  EXPECT_GT(found_out, 1'000);
}

TEST_F(SegmentTest, a_segment_cut_short_is_refused_at_any_length) {
  const std::uint64_t checksum = write(1, draw(300))->footer().checksum;
  const std::string path = segment_path("keys", 1);
  const std::uint64_t size = size_of(path);
  const auto whole = files_.snapshot();
  for (std::uint64_t left = 0; left < size; left += 97) {
    files_.restore(whole);
    must(must(files_.open(path, OpenMode::kWrite))->truncate(left));
    const auto segment = Segment::open(files_, "keys", kLog, 1, checksum);
    ASSERT_FALSE(segment);
    ASSERT_EQ(segment.error().code(), Errc::kCorrupt);
  }
}

TEST_F(SegmentTest, a_segment_of_another_log_or_number_or_age_is_refused) {
  const std::uint64_t checksum = write(1, draw(10))->footer().checksum;
  EXPECT_TRUE(Segment::open(files_, "keys", kLog, 1, checksum));
  EXPECT_FALSE(Segment::open(files_, "keys", LogId{}, 1, checksum));
  EXPECT_FALSE(Segment::open(files_, "keys", kLog, 1, checksum + 1));
  must(files_.rename(segment_path("keys", 1), segment_path("keys", 2)));
  EXPECT_FALSE(Segment::open(files_, "keys", kLog, 2, checksum));
  const auto missing = Segment::open(files_, "keys", kLog, 1, checksum);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Errc::kCorrupt);
}

TEST_F(SegmentTest, a_segment_that_is_not_finished_leaves_no_file) {
  {
    auto writer = must(SegmentWriter::create(files_, "keys", kLog, 1, 10));
    must(writer->add(draw(1).front()));
  }
  EXPECT_TRUE(must(files_.list("keys")).empty());
}

TEST_F(SegmentTest, merging_keeps_every_claim_once_in_order) {
  const auto first = draw(3'000), second = draw(10), third = draw(2'000);
  std::vector<Entry> all;
  for (const auto* part : {&first, &second, &third}) all.insert(all.end(), part->begin(), part->end());
  std::ranges::sort(all, [](const Entry& a, const Entry& b) { return a.before(b); });
  const auto merged = merge({write(1, first), write(2, second), write(3, third)});
  EXPECT_TRUE(std::ranges::equal(scan(merged), all, {}, &Entry::identity, &Entry::identity));
}

TEST_F(SegmentTest, merging_keeps_the_newest_of_claims_of_one_identity) {
  auto entries = draw(500);
  const auto oldest = write(1, entries);
  for (Entry& entry : entries) entry.content += 10'000;
  const auto middle = write(2, {entries.begin(), entries.begin() + 300});
  for (Entry& entry : entries) entry.content += 10'000;
  const auto newest = write(3, {entries.begin() + 200, entries.begin() + 400});
  const auto merged = scan(merge({oldest, middle, newest}));
  ASSERT_EQ(merged.size(), entries.size());
  for (std::size_t i = 0; i < merged.size(); ++i) {
    EXPECT_EQ(merged[i].identity(), entries[i].identity());
    const std::uint64_t written_by = i >= 200 && i < 400 ? 20'000 : i < 300 ? 10'000 : 0;
    EXPECT_EQ(merged[i].content / 10'000 * 10'000, written_by) << i;
  }
}

TEST_F(SegmentTest, merging_leaves_out_what_has_expired) {
  const auto first = write(1, draw(200, 100)), second = write(2, draw(300, 200));
  EXPECT_EQ(scan(merge({first, second}, 100 + kWindow)).size(), 300U);
  must(files_.remove(segment_path("keys", 99)));
  EXPECT_EQ(merge({first, second}, 200 + kWindow), nullptr);
  EXPECT_FALSE(must(files_.exists(segment_path("keys", 99))));
}

}  // namespace
}  // namespace tidemark::keyset
