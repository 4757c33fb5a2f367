#include "tidemark/base/testing/memory_file_system.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tidemark/base/testing/must.hpp"

namespace tidemark {
namespace {

class MemoryFileSystemTest : public ::testing::Test {
 protected:
  MemoryFileSystemTest() { must(files.make_directories("/d")); }

  std::unique_ptr<File> create(const std::string& path) { return must(files.open(path, OpenMode::kCreate)); }
  /// Makes a durable file.
  void make(const std::string& path, std::string_view text) {
    const auto file = create(path);
    must(file->write_at(0, as_bytes(text)));
    must(file->sync());
    must(files.sync_directory("/d"));
  }
  std::string contents(const std::string& path) { return must(read_file(files, path, 1 << 20)); }
  bool exists(const std::string& path) { return must(files.exists(path)); }

  MemoryFileSystem files;
};

TEST_F(MemoryFileSystemTest, unsynced_writes_and_truncations_are_lost) {
  make("/d/a", "durable");
  const auto file = create("/d/a");
  must(file->write_at(0, as_bytes("DURABLE and more")));
  must(file->truncate(3));
  EXPECT_EQ(contents("/d/a"), "DUR");
  files.lose_unsynced();
  EXPECT_EQ(contents("/d/a"), "durable");
}

TEST_F(MemoryFileSystemTest, a_new_file_is_lost_without_a_directory_sync) {
  const auto file = create("/d/a");
  must(file->write_at(0, as_bytes("x")));
  must(file->sync());
  files.lose_unsynced();
  EXPECT_FALSE(exists("/d/a"));
}

TEST_F(MemoryFileSystemTest, a_directory_sync_keeps_the_name_but_not_the_unsynced_contents) {
  must(create("/d/a")->write_at(0, as_bytes("x")));
  must(files.sync_directory("/d"));
  files.lose_unsynced();
  EXPECT_EQ(contents("/d/a"), "");
}

TEST_F(MemoryFileSystemTest, an_unsynced_removal_comes_back) {
  make("/d/a", "x");
  must(files.remove("/d/a"));
  files.lose_unsynced();
  EXPECT_EQ(contents("/d/a"), "x");
}

TEST_F(MemoryFileSystemTest, an_unsynced_rename_comes_undone) {
  make("/d/a", "a");
  make("/d/b", "b");
  must(files.rename("/d/a", "/d/b"));
  files.lose_unsynced();
  EXPECT_EQ(contents("/d/a"), "a");
  EXPECT_EQ(contents("/d/b"), "b");
}

TEST_F(MemoryFileSystemTest, a_synced_rename_and_removal_stay) {
  make("/d/a", "a");
  make("/d/b", "b");
  must(files.rename("/d/a", "/d/c"));
  must(files.remove("/d/b"));
  must(files.sync_directory("/d"));
  files.lose_unsynced();
  EXPECT_EQ(files.list("/d").value(), std::vector<std::string>{"c"});
  EXPECT_EQ(contents("/d/c"), "a");
}

TEST_F(MemoryFileSystemTest, each_directory_is_synced_for_itself) {
  must(files.make_directories("/e"));
  make("/d/a", "a");
  must(files.rename("/d/a", "/e/a"));
  must(files.sync_directory("/e"));
  files.lose_unsynced();
  EXPECT_TRUE(exists("/d/a"));
  EXPECT_TRUE(exists("/e/a"));
}

TEST_F(MemoryFileSystemTest, files_opened_before_the_loss_are_dead) {
  make("/d/a", "x");
  const auto file = create("/d/a");
  files.lose_unsynced();
  std::byte byte{};
  EXPECT_FALSE(file->write_at(0, as_bytes("y")));
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(file->read_at(0, std::span(&byte, 1)));
  EXPECT_EQ(contents("/d/a"), "x");
}

TEST_F(MemoryFileSystemTest, a_loss_releases_locks_and_an_old_holder_releases_no_new_one) {
  auto old_holder = must(files.lock("/d/lock"));
  files.lose_unsynced();
  const auto new_holder = must(files.lock("/d/lock"));
  old_holder.reset();
  EXPECT_FALSE(files.lock("/d/lock"));
}

TEST_F(MemoryFileSystemTest, a_seeded_loss_keeps_some_sectors_and_tears_writes) {
  std::set<std::string> outcomes;
  for (std::uint64_t seed = 0; seed < 64; ++seed) {
    MemoryFileSystem disk;
    const auto file = must(disk.open("a", OpenMode::kCreate));
    must(disk.sync_directory("."));
    must(file->write_at(0, as_bytes(std::string(1024, 'o'))));
    must(file->sync());
    must(file->write_at(256, as_bytes(std::string(512, 'n'))));
    disk.lose_unsynced(seed);
    outcomes.insert(read_file(disk, "a", 4096).value());
  }
  const std::string o256(256, 'o'), n256(256, 'n'), o512(512, 'o');
  EXPECT_EQ(outcomes,
            (std::set<std::string>{o512 + o512, o256 + n256 + o512, o512 + n256 + o256, o256 + n256 + n256 + o256}));
}

TEST_F(MemoryFileSystemTest, a_seeded_loss_is_the_same_for_the_same_seed_and_never_touches_what_is_durable) {
  make("/d/kept", "kept");
  for (int i = 0; i < 8; ++i) must(create("/d/" + std::to_string(i))->write_at(0, as_bytes("x")));
  const auto before = files.snapshot();
  std::set<std::vector<std::string>> outcomes;
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    files.restore(before);
    files.lose_unsynced(seed);
    const auto names = must(files.list("/d"));
    outcomes.insert(names);
    EXPECT_EQ(contents("/d/kept"), "kept");
    files.restore(before);
    files.lose_unsynced(seed);
    EXPECT_EQ(files.list("/d").value(), names);
  }
  EXPECT_GT(outcomes.size(), 8U);
}

TEST_F(MemoryFileSystemTest, a_fault_strikes_the_chosen_operation_once) {
  const auto file = create("/d/a");
  files.inject({.operation = FileOperation::kWrite, .after = 1, .code = Errc::kIo});
  EXPECT_TRUE(file->write_at(0, as_bytes("1")));
  const auto struck = file->write_at(1, as_bytes("2"));
  ASSERT_FALSE(struck);
  EXPECT_EQ(struck.error().code(), Errc::kIo);
  EXPECT_TRUE(file->write_at(1, as_bytes("3")));
  EXPECT_EQ(contents("/d/a"), "13");
}

TEST_F(MemoryFileSystemTest, a_repeating_fault_strikes_until_cleared_and_only_where_it_aims) {
  files.inject({.operation = FileOperation::kOpen, .code = Errc::kReadOnly, .path_contains = "log", .repeats = true});
  EXPECT_TRUE(files.open("/d/other", OpenMode::kCreate));
  EXPECT_FALSE(files.open("/d/log1", OpenMode::kCreate));
  EXPECT_FALSE(files.open("/d/log2", OpenMode::kCreate));
  files.clear_faults();
  EXPECT_TRUE(files.open("/d/log1", OpenMode::kCreate));
}

TEST_F(MemoryFileSystemTest, every_operation_can_be_struck_and_is_counted) {
  const auto file = create("/d/a");
  std::byte byte{};
  const auto run = [&](FileOperation operation) -> bool {
    switch (operation) {
      case FileOperation::kOpen:
        return files.open("/d/b", OpenMode::kCreate).has_value();
      case FileOperation::kRead:
        return file->read_at(0, std::span(&byte, 1)).has_value();
      case FileOperation::kWrite:
        return file->write_at(0, as_bytes("x")).has_value();
      case FileOperation::kSync:
        return file->sync().has_value();
      case FileOperation::kTruncate:
        return file->truncate(0).has_value();
      case FileOperation::kRename:
        return files.rename("/d/a", "/d/a").has_value();
      case FileOperation::kRemove:
        return files.remove("/d/b").has_value();
      case FileOperation::kSyncDirectory:
        return files.sync_directory("/d").has_value();
    }
    return false;
  };
  for (int i = 0; i < kFileOperationCount; ++i) {
    const auto operation = static_cast<FileOperation>(i);
    const std::uint64_t before = files.count(operation);
    files.inject({.operation = operation});
    EXPECT_FALSE(run(operation)) << i;
    EXPECT_TRUE(run(operation)) << i;
    EXPECT_EQ(files.count(operation), before + 2) << i;
  }
}

TEST_F(MemoryFileSystemTest, a_short_write_leaves_its_prefix) {
  const auto file = create("/d/a");
  files.inject({.operation = FileOperation::kWrite, .code = Errc::kIo, .written_bytes = 3});
  EXPECT_FALSE(file->write_at(0, as_bytes("012345")));
  EXPECT_EQ(contents("/d/a"), "012");
}

TEST_F(MemoryFileSystemTest, writes_before_a_failed_sync_never_become_durable) {
  make("/d/a", "....");
  const auto file = create("/d/a");
  must(file->write_at(0, as_bytes("1")));
  files.inject({.operation = FileOperation::kSync});
  EXPECT_FALSE(file->sync());
  must(file->write_at(1, as_bytes("2")));
  EXPECT_TRUE(file->sync()) << "as on Linux, the second sync lies";
  EXPECT_EQ(contents("/d/a"), "12..");
  files.lose_unsynced();
  EXPECT_EQ(contents("/d/a"), ".2..");
}

TEST_F(MemoryFileSystemTest, a_full_disk_takes_what_fits_and_gives_space_back) {
  make("/d/old", "0123456789");
  files.set_free_bytes(4);
  const auto file = create("/d/a");
  const auto written = file->write_at(0, as_bytes("abcdef"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Errc::kDiskFull);
  EXPECT_EQ(contents("/d/a"), "abcd");
  EXPECT_EQ(files.free_bytes("/d").value(), 0U);
  EXPECT_TRUE(file->write_at(0, as_bytes("ABCD"))) << "overwriting needs no space";
  must(files.remove("/d/old"));
  EXPECT_EQ(files.free_bytes("/d").value(), 10U);
  EXPECT_TRUE(file->write_at(4, as_bytes("ef")));
  EXPECT_FALSE(file->truncate(100));
}

TEST_F(MemoryFileSystemTest, a_flipped_bit_is_read_and_survives) {
  make("/d/a", "AB");
  files.flip_bit("/d/a", 1, 0);
  EXPECT_EQ(contents("/d/a"), "AC");
  files.lose_unsynced();
  EXPECT_EQ(contents("/d/a"), "AC");
}

TEST_F(MemoryFileSystemTest, durable_contents_foretells_a_loss) {
  make("/d/a", "old");
  must(create("/d/a")->write_at(0, as_bytes("new")));
  EXPECT_EQ(files.durable_contents("/d/a"), "old");
  EXPECT_EQ(files.durable_contents("/d/absent"), std::nullopt);
}

TEST_F(MemoryFileSystemTest, a_snapshot_is_untouched_by_what_follows_and_can_be_restored_again) {
  make("/d/a", "then");
  const auto snapshot = files.snapshot();
  for (int round = 0; round < 2; ++round) {
    make("/d/a", "now!");
    make("/d/b", "");
    files.restore(snapshot);
    EXPECT_EQ(contents("/d/a"), "then");
    EXPECT_FALSE(exists("/d/b"));
  }
}

/// Replaces a durable file under one fault, then loses power: whole old or whole new, never anything else.
class ReplaceFileUnderFault : public ::testing::TestWithParam<FileOperation> {};

TEST_P(ReplaceFileUnderFault, keeps_the_old_file_or_the_new) {
  const std::string old_contents(2000, 'o');
  const std::string new_contents(3000, 'n');
  MemoryFileSystem files;
  must(replace_file(files, "state", as_bytes(old_contents)));
  const auto before = files.snapshot();
  bool struck = true;
  for (std::uint64_t after = 0; struck; ++after) {
    for (std::uint64_t seed = 0; seed < 32; ++seed) {
      files.restore(before);
      files.inject({.operation = GetParam(), .after = after, .code = Errc::kIo, .written_bytes = seed * 100});
      struck = !replace_file(files, "state", as_bytes(new_contents)).has_value();
      files.clear_faults();  // The one that wasn't reached must not strike the reads.
      const std::string running = read_file(files, "state", 1 << 20).value_or("unreadable");
      EXPECT_TRUE(running == old_contents || running == new_contents);
      files.lose_unsynced(seed);
      const std::string survived = must(read_file(files, "state", 1 << 20));
      EXPECT_TRUE(survived == old_contents || survived == new_contents) << "after " << after << ", seed " << seed;
      EXPECT_TRUE(struck || survived == new_contents) << "success means durable";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryOperation, ReplaceFileUnderFault,
                         ::testing::Values(FileOperation::kOpen, FileOperation::kWrite, FileOperation::kSync,
                                           FileOperation::kTruncate, FileOperation::kRename,
                                           FileOperation::kSyncDirectory));

}  // namespace
}  // namespace tidemark
