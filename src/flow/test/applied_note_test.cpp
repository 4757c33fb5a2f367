#include "tidemark/flow/applied_note.hpp"

#include "rig.hpp"

namespace tidemark::flow {
namespace {

constexpr const char* kPath = "log/sums.applied";

log::Offset read_again(Rig& rig) {
  return AppliedNote(rig.files, kPath, *rig.log).read();
}

/// A log of three records and its start, and a note that two of them are applied.
log::Offset take_note(Rig& rig) {
  for (int i = 0; i < 3; ++i) rig.append({{"a", 1}});
  const log::Offset applied = rig.log->synced_end() - 1;
  must(AppliedNote(rig.files, kPath, *rig.log).take(applied));
  return applied;
}

TEST(AppliedNote, is_read_by_the_next_start_also_after_a_power_cut) {
  Rig rig;
  EXPECT_EQ(read_again(rig), 0u) << "there is none yet";
  const log::Offset applied = take_note(rig);
  EXPECT_EQ(read_again(rig), applied);
  rig.files.lose_unsynced();
  rig.restart_log();
  EXPECT_EQ(read_again(rig), applied);
}

TEST(AppliedNote, that_a_crash_interrupts_is_the_old_one_or_the_new_one) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Rig rig;
    const log::Offset before = take_note(rig);
    AppliedNote note(rig.files, kPath, *rig.log);
    ASSERT_EQ(note.read(), before);
    rig.files.inject({.operation = seed % 2 == 0 ? FileOperation::kSync : FileOperation::kSyncDirectory});
    EXPECT_FALSE(note.take(before + 1));
    EXPECT_EQ(note.noted(), before);
    rig.files.clear_faults();
    rig.files.lose_unsynced(seed);
    rig.restart_log();
    const log::Offset read = read_again(rig);
    EXPECT_TRUE(read == before || read == before + 1) << seed << ": " << read;
  }
}

TEST(AppliedNote, with_any_bit_flipped_or_any_byte_missing_does_not_count) {
  Rig rig;
  take_note(rig);
  const std::string whole = must(read_file(rig.files, kPath, 1024));
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    must(replace_file(rig.files, kPath, as_bytes(damaged)));
    ASSERT_EQ(read_again(rig), 0u) << damaged;
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    must(replace_file(rig.files, kPath, as_bytes(whole.substr(0, size))));
    ASSERT_EQ(read_again(rig), 0u) << size;
  }
  must(replace_file(rig.files, kPath, as_bytes(std::string(10'000, '1'))));
  EXPECT_EQ(read_again(rig), 0u);
}

TEST(AppliedNote, of_another_log_does_not_count) {
  Rig rig;
  take_note(rig);
  Rig other;
  take_note(other);
  must(replace_file(other.files, kPath, as_bytes(must(read_file(rig.files, kPath, 1024)))));
  EXPECT_EQ(read_again(other), 0u);
}

TEST(AppliedNote, of_a_longer_or_another_copy_of_the_log_does_not_count) {
  Rig rig;
  rig.append({{"a", 1}});
  const auto backup = rig.files.snapshot();
  rig.restart_log();
  take_note(rig);
  const std::string newer = must(read_file(rig.files, kPath, 1024));
  rig.files.restore(backup);
  rig.restart_log();
  must(replace_file(rig.files, kPath, as_bytes(newer)));
  EXPECT_EQ(read_again(rig), 0u) << "past the log's end";
  for (int i = 0; i < 10; ++i) rig.append({{"a", 1}});
  EXPECT_EQ(read_again(rig), 0u) << "written by another start";
}

TEST(AppliedNote, of_what_was_trimmed_since_does_not_count) {
  Rig rig;
  take_note(rig);
  while (rig.log->segments().size() < 3) rig.append({{std::string(200, 'a'), 1}});
  must(rig.log->drop_oldest());
  EXPECT_EQ(read_again(rig), 0u);
}

}  // namespace
}  // namespace tidemark::flow
