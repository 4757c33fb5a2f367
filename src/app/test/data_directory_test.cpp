#include "data_directory.hpp"

#include <gtest/gtest.h>

#include "tidemark/base/testing/memory_file_system.hpp"

namespace tidemark::app {
namespace {

TEST(DataDirectory, an_absent_one_is_made_and_taken_again) {
  MemoryFileSystem files;
  ASSERT_TRUE(DataDirectory::open(files, "data"));
  files.lose_unsynced();
  EXPECT_TRUE(DataDirectory::open(files, "data"));
}

TEST(DataDirectory, one_that_is_in_use_is_locked) {
  MemoryFileSystem files;
  const auto held = DataDirectory::open(files, "data");
  ASSERT_TRUE(held);
  const auto second = DataDirectory::open(files, "data");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::kLocked);
  EXPECT_NE(second.error().message().find("--data"), std::string::npos);
}

TEST(DataDirectory, one_that_holds_something_else_is_left_alone) {
  MemoryFileSystem files;
  ASSERT_TRUE(files.make_directories("home"));
  ASSERT_TRUE(replace_file(files, "home/thesis.txt", as_bytes("dear")));
  const auto opened = DataDirectory::open(files, "home");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::kRefused);
  EXPECT_NE(opened.error().message().find("thesis.txt"), std::string::npos);
  EXPECT_EQ(files.list("home")->size(), 1u) << "nothing was written into it";
}

TEST(DataDirectory, one_that_cannot_be_made_is_unusable_and_the_remedy_told) {
  PosixFileSystem files;
  const auto opened = DataDirectory::open(files, "/dev/null/data");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::kRefused);
  EXPECT_NE(opened.error().message().find("--data"), std::string::npos);
  EXPECT_NE(opened.error().message().find("/dev/null: Not a directory"), std::string::npos) << "what stands in the way";
}

TEST(DataDirectory, a_first_start_that_was_killed_at_any_step_can_be_repeated) {
  for (std::uint64_t after = 0; after < 12; ++after) {
    for (const FileOperation operation :
         {FileOperation::kOpen, FileOperation::kWrite, FileOperation::kSync, FileOperation::kRename}) {
      MemoryFileSystem files;
      files.inject({.operation = operation, .after = after, .repeats = true});
      const auto first = DataDirectory::open(files, "data");
      files.clear_faults();
      files.lose_unsynced(after);
      if (first) continue;
      EXPECT_TRUE(DataDirectory::open(files, "data")) << after;
    }
  }
}

TEST(DataDirectory, one_of_a_newer_version_and_a_broken_mark_are_refused) {
  for (const char* mark :
       {"tidemark data directory, format 99\n", "tidemark data directory, format x\n", "", "hello"}) {
    MemoryFileSystem files;
    ASSERT_TRUE(files.make_directories("data"));
    ASSERT_TRUE(replace_file(files, "data/TIDEMARK", as_bytes(mark)));
    const auto opened = DataDirectory::open(files, "data");
    ASSERT_FALSE(opened) << mark;
    EXPECT_EQ(opened.error().code(), Errc::kRefused);
  }
}

}  // namespace
}  // namespace tidemark::app
