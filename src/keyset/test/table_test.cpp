#include "table.hpp"

#include <gtest/gtest.h>

#include <map>

#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/seeded_random.hpp"

namespace tidemark::keyset {
namespace {

constexpr unsigned kChunkShift = 6;

Entry entry_for(const Fingerprint& identity, std::uint64_t number) {
  return Entry::make(identity, number * 7, {number, 1}, static_cast<std::int64_t>(number));
}

std::vector<Fingerprint> sorted_identities(const Table& table, std::uint32_t first, std::uint32_t end) {
  std::vector<Fingerprint> identities;
  must(table.visit_sorted(first, end, [&](const Entry& entry) -> Result<void> {
    identities.push_back(entry.identity());
    return {};
  }));
  return identities;
}

TEST(Entry, keeps_the_greatest_position_and_time_that_fit) {
  const OwnerPosition owner{(1ull << 48) - 1, (1u << 26) - 1};
  const std::int64_t arrival = (1ll << 54) - 1;
  EXPECT_TRUE(Entry::fits(owner.offset, owner.index, arrival));
  EXPECT_FALSE(Entry::fits(owner.offset + 1, owner.index, arrival));
  EXPECT_FALSE(Entry::fits(owner.offset, owner.index + 1, arrival));
  EXPECT_FALSE(Entry::fits(owner.offset, owner.index, arrival + 1));
  EXPECT_FALSE(Entry::fits(owner.offset, owner.index, -1));
  for (const OwnerPosition& each :
       {owner, OwnerPosition{}, OwnerPosition{owner.offset, 0}, OwnerPosition{0, owner.index}}) {
    for (const std::int64_t time : {std::int64_t{0}, arrival, std::int64_t{1'714'564'800'000'000}}) {
      const Entry made = Entry::make({1, 2}, 3, each, time);
      EXPECT_EQ(made.owner(), each);
      EXPECT_EQ(made.arrival(), time);
    }
  }
}

/// How fingerprints are drawn: uniform as in life, and as nobody should ever send them.
enum class Draw : std::uint8_t { kUniform, kFewTags, kOneTag, kLastTag };

class TableAgainstMap : public testing::TestWithParam<Draw> {
 protected:
  Fingerprint draw() {
    switch (GetParam()) {
      case Draw::kUniform:
        return {random_.next(), random_.next() % 4};
      case Draw::kFewTags:
        return {random_.below(8) << 61 | random_.below(2) << 40, random_.below(100)};
      case Draw::kOneTag:
        return {0, random_.below(3000)};
      case Draw::kLastTag:
        return {~0ull - random_.below(2), random_.below(1500)};
    }
    return {};
  }
  SeededRandom random_{42};
};

TEST_P(TableAgainstMap, finds_undoes_and_sorts_as_a_map_does) {
  Table table(kChunkShift);
  std::map<Fingerprint, std::uint64_t> map;
  std::vector<Fingerprint> in_order;
  for (std::uint64_t round = 0; round < 20'000; ++round) {
    const Fingerprint identity = draw();
    const Entry* found = table.find(identity);
    ASSERT_EQ(found != nullptr, map.contains(identity));
    if (found != nullptr) {
      ASSERT_EQ(found->content, map[identity]);
    } else {
      const Entry added = entry_for(identity, round);
      table.add(added);
      map[identity] = added.content;
      in_order.push_back(identity);
    }
    for (std::uint64_t undo = random_.below(50) == 0 ? random_.below(20) : 0; undo > 0 && !in_order.empty(); --undo) {
      table.undo_last();
      map.erase(in_order.back());
      in_order.pop_back();
    }
    ASSERT_EQ(table.size(), map.size());
  }
  std::vector<Fingerprint> expected;
  for (const auto& [identity, content] : map) expected.push_back(identity);
  EXPECT_EQ(sorted_identities(table, 0, table.entries()), expected);

  const std::uint32_t first = table.entries() / 3;
  const std::uint32_t end = table.entries() / 2;
  std::vector<Fingerprint> middle(in_order.begin() + first, in_order.begin() + end);
  std::ranges::sort(middle);
  EXPECT_EQ(sorted_identities(table, first, end), middle);
}

INSTANTIATE_TEST_SUITE_P(Draws, TableAgainstMap,
                         testing::Values(Draw::kUniform, Draw::kFewTags, Draw::kOneTag, Draw::kLastTag));

TEST(Table, a_replaced_claim_is_gone) {
  Table table(kChunkShift);
  table.add(entry_for({1, 1}, 1));
  table.replace(entry_for({1, 1}, 2));
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.find({1, 1})->owner().offset, 2U);
  EXPECT_EQ(sorted_identities(table, 0, table.entries()).size(), 1U);
  table.undo_last();
  EXPECT_EQ(table.find({1, 1}), nullptr);
  EXPECT_EQ(table.size(), 0U);
}

TEST(Table, is_empty_at_first_and_takes_below_60_bytes_a_claim) {
  Table table(12);
  EXPECT_EQ(table.bytes(), 0U);
  SeededRandom random(1);
  constexpr std::uint64_t kClaims = 300'000;
  for (std::uint64_t i = 0; i < kClaims; ++i) table.add(entry_for({random.next(), random.next()}, i));
  EXPECT_LT(table.bytes(), kClaims * 60);
}

TEST(Table, its_size_grows_with_its_claims_at_every_step) {
  Table table(kChunkShift);
  SeededRandom random(2);
  std::uint64_t before = 0;
  for (std::uint64_t i = 0; i < 2'000'000; ++i) {
    table.add(entry_for({random.next(), random.next()}, i));
    // At most a chunk and half of a shard more.
    ASSERT_LT(table.bytes() + (64u << 10), before + (512u << 10)) << "claim " << i;
    before = table.bytes();
  }
}

TEST(Table, stops_visiting_at_an_error) {
  Table table(kChunkShift);
  table.add(entry_for({1, 1}, 1));
  table.add(entry_for({2, 1}, 2));
  int visited = 0;
  const auto stopped = table.visit_sorted(0, 2, [&](const Entry&) -> Result<void> {
    ++visited;
    return fail(Errc::kIo, "stop");
  });
  EXPECT_FALSE(stopped);
  EXPECT_EQ(visited, 1);
}

}  // namespace
}  // namespace tidemark::keyset
