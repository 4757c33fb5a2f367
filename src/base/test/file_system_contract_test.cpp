// What every FileSystem promises, run on the disk and on the double that stands in for it.
#include <gtest/gtest.h>

#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"

namespace tidemark {
namespace {

/// A file system and a directory in it that is this test's alone.
class Place {
 public:
  virtual ~Place() = default;
  virtual FileSystem& files() = 0;
  virtual std::string directory() const = 0;
};

class DiskPlace final : public Place {
 public:
  FileSystem& files() override { return files_; }
  std::string directory() const override { return directory_.path(); }

 private:
  TemporaryDirectory directory_;
  PosixFileSystem files_;
};

class MemoryPlace final : public Place {
 public:
  MemoryPlace() { must(files_.make_directories("/data")); }
  FileSystem& files() override { return files_; }
  std::string directory() const override { return "/data"; }

 private:
  MemoryFileSystem files_;
};

template <class P>
class FileSystemContract : public ::testing::Test {
 protected:
  FileSystem& files() { return place_.files(); }
  std::string path(std::string_view name) const { return place_.directory() + "/" + std::string(name); }

  void put(const std::string& file_path, std::string_view text) {
    const auto file = must(files().open(file_path, OpenMode::kCreate));
    must(file->truncate(0));
    must(file->write_at(0, as_bytes(text)));
  }
  std::string get(const std::string& file_path) { return must(read_file(files(), file_path, 1 << 20)); }

  P place_;
};

using Places = ::testing::Types<DiskPlace, MemoryPlace>;
TYPED_TEST_SUITE(FileSystemContract, Places);

TYPED_TEST(FileSystemContract, opening_what_is_absent_is_not_found_and_names_the_path) {
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kWrite}) {
    const auto opened = this->files().open(this->path("absent"), mode);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code(), Errc::kNotFound);
    EXPECT_NE(opened.error().message().find(this->path("absent")), std::string::npos) << opened.error().message();
  }
}

TYPED_TEST(FileSystemContract, create_makes_a_file_and_keeps_one_that_exists) {
  this->put(this->path("a"), "one");
  ASSERT_TRUE(this->files().open(this->path("a"), OpenMode::kCreate));
  EXPECT_EQ(this->get(this->path("a")), "one");
}

TYPED_TEST(FileSystemContract, zeros_replace_exactly_what_they_are_written_over) {
  constexpr std::uint64_t kBlock = 4096;
  constexpr std::uint64_t kSize = 3 << 20;
  // Whole blocks may pass by the cache, which holds the letters; the rest goes through it.
  for (const auto& [offset, size] : {std::pair(kBlock, 2 * kBlock),
                                     {kBlock + 1, kBlock},
                                     {kBlock, std::uint64_t{5}},
                                     {std::uint64_t{0}, kSize},
                                     {kSize, kBlock},
                                     {kSize, std::uint64_t{0}}}) {
    std::string expected(kSize, 'x');
    this->put(this->path("a"), expected);
    const auto file = must(this->files().open(this->path("a"), OpenMode::kWrite));
    must(file->write_zeros(offset, size));
    must(file->write_at(kSize - 1, as_bytes(std::string_view("y"))));
    expected.resize(std::max(kSize, offset + size), 'x');
    expected.replace(offset, size, size, '\0');
    expected[kSize - 1] = 'y';
    EXPECT_EQ(must(read_file(this->files(), this->path("a"), 2 * kSize)), expected) << offset << "+" << size;
  }
}

TYPED_TEST(FileSystemContract, a_write_of_any_size_at_any_place_arrives_whole) {
  // Whole pages of large writes may pass by the cache, which holds the letters around them.
  constexpr std::uint64_t kPage = 4096, kOld = 1 << 20;
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{1}, kPage - 1, kPage, 3 * kPage + 77, kOld, kOld + 5}) {
    for (const std::uint64_t size : {kPage, 16 * kPage - 1, 16 * kPage, 17 * kPage + 1, (5 * kOld / 2) + 13}) {
      std::string expected(kOld, 'x');
      this->put(this->path("a"), expected);
      std::string data(size, '\0');
      for (std::uint64_t i = 0; i < size; ++i) data[i] = static_cast<char>(i * 31 + i / 256);
      const auto file = must(this->files().open(this->path("a"), OpenMode::kWrite));
      must(file->write_at(offset, as_bytes(data)));
      must(file->write_at(7, as_bytes(std::string_view("y"))));
      must(file->sync());
      expected.resize(std::max(kOld, offset + size), '\0');
      expected.replace(offset, size, data);
      expected[7] = 'y';
      ASSERT_TRUE(must(read_file(this->files(), this->path("a"), 8 * kOld)) == expected) << offset << "+" << size;
      file->will_read(0, size);
      std::string again(size, '\0');
      ASSERT_EQ(must(file->read_at(offset, std::as_writable_bytes(std::span(again)))), size);
      EXPECT_TRUE(offset <= 7 || again == data) << offset << "+" << size;
    }
  }
}

TYPED_TEST(FileSystemContract, create_new_refuses_a_file_that_exists) {
  ASSERT_TRUE(this->files().open(this->path("a"), OpenMode::kCreateNew));
  const auto again = this->files().open(this->path("a"), OpenMode::kCreateNew);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code(), Errc::kConflict);
}

TYPED_TEST(FileSystemContract, creating_in_a_missing_directory_is_not_found) {
  const auto opened = this->files().open(this->path("no/a"), OpenMode::kCreate);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Errc::kNotFound);
}

TYPED_TEST(FileSystemContract, a_file_opened_for_reading_refuses_writes) {
  this->put(this->path("a"), "one");
  const auto file = must(this->files().open(this->path("a"), OpenMode::kRead));
  EXPECT_FALSE(file->write_at(0, as_bytes("x")));
  EXPECT_FALSE(file->write_at(0, as_bytes(std::string(1 << 20, 'x'))));
  EXPECT_FALSE(file->truncate(0));
  EXPECT_EQ(this->get(this->path("a")), "one");
}

TYPED_TEST(FileSystemContract, reads_end_where_the_file_ends) {
  this->put(this->path("a"), "0123456789");
  const auto file = must(this->files().open(this->path("a"), OpenMode::kRead));
  std::array<std::byte, 8> buffer{};
  EXPECT_EQ(file->read_at(0, buffer).value(), 8U);
  EXPECT_EQ(file->read_at(6, buffer).value(), 4U);
  EXPECT_EQ(as_text(std::span(buffer).first(4)), "6789");
  EXPECT_EQ(file->read_at(10, buffer).value(), 0U);
  EXPECT_EQ(file->read_at(1 << 20, buffer).value(), 0U);
}

TYPED_TEST(FileSystemContract, writing_past_the_end_fills_the_gap_with_zeros) {
  const auto file = must(this->files().open(this->path("a"), OpenMode::kCreate));
  must(file->write_at(3, as_bytes("x")));
  EXPECT_EQ(this->get(this->path("a")), std::string("\0\0\0x", 4));
  EXPECT_EQ(file->size().value(), 4U);
}

TYPED_TEST(FileSystemContract, truncate_shortens_and_lengthens_with_zeros) {
  this->put(this->path("a"), "0123");
  const auto file = must(this->files().open(this->path("a"), OpenMode::kWrite));
  must(file->truncate(2));
  must(file->truncate(3));
  EXPECT_EQ(this->get(this->path("a")), std::string("01\0", 3));
}

TYPED_TEST(FileSystemContract, list_answers_names_in_byte_order) {
  must(this->files().make_directories(this->path("d/e")));
  for (const char* name : {"d/b", "d/a", "d/B", "d/e/inner"}) this->put(this->path(name), "");
  EXPECT_EQ(this->files().list(this->path("d")).value(), (std::vector<std::string>{"B", "a", "b", "e"}));
}

TYPED_TEST(FileSystemContract, listing_a_missing_directory_is_not_found) {
  const auto listed = this->files().list(this->path("absent"));
  ASSERT_FALSE(listed);
  EXPECT_EQ(listed.error().code(), Errc::kNotFound);
}

TYPED_TEST(FileSystemContract, make_directories_makes_all_levels_and_may_be_repeated) {
  must(this->files().make_directories(this->path("d/e/f")));
  must(this->files().make_directories(this->path("d/e/f/")));
  EXPECT_TRUE(this->files().exists(this->path("d/e/f")).value());
}

TYPED_TEST(FileSystemContract, make_directories_refuses_where_a_file_lies) {
  this->put(this->path("a"), "");
  EXPECT_FALSE(this->files().make_directories(this->path("a")));
  EXPECT_FALSE(this->files().make_directories(this->path("a/b")));
}

TYPED_TEST(FileSystemContract, remove_ends_the_name_but_not_an_open_file) {
  this->put(this->path("a"), "one");
  const auto file = must(this->files().open(this->path("a"), OpenMode::kRead));
  must(this->files().remove(this->path("a")));
  EXPECT_FALSE(this->files().exists(this->path("a")).value());
  EXPECT_EQ(file->size().value(), 3U);
}

TYPED_TEST(FileSystemContract, removing_what_is_absent_is_not_found) {
  const auto removed = this->files().remove(this->path("absent"));
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code(), Errc::kNotFound);
}

TYPED_TEST(FileSystemContract, rename_replaces_the_target) {
  this->put(this->path("new"), "new");
  this->put(this->path("old"), "old");
  must(this->files().rename(this->path("new"), this->path("old")));
  EXPECT_EQ(this->get(this->path("old")), "new");
  EXPECT_FALSE(this->files().exists(this->path("new")).value());
  must(this->files().sync_directory(this->path(".")));
}

TYPED_TEST(FileSystemContract, renaming_what_is_absent_is_not_found) {
  const auto renamed = this->files().rename(this->path("absent"), this->path("a"));
  ASSERT_FALSE(renamed);
  EXPECT_EQ(renamed.error().code(), Errc::kNotFound);
}

TYPED_TEST(FileSystemContract, a_lock_has_one_holder_and_ends_with_it) {
  auto first = this->files().lock(this->path("lock"));
  ASSERT_TRUE(first);
  const auto second = this->files().lock(this->path("lock"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Errc::kLocked);
  first->reset();
  EXPECT_TRUE(this->files().lock(this->path("lock")));
}

TYPED_TEST(FileSystemContract, free_bytes_is_known_for_a_directory_that_exists) {
  EXPECT_GT(this->files().free_bytes(this->path(".")).value(), 0U);
  EXPECT_FALSE(this->files().free_bytes(this->path("absent")));
}

TYPED_TEST(FileSystemContract, read_file_refuses_more_than_its_limit) {
  this->put(this->path("a"), "0123");
  EXPECT_EQ(read_file(this->files(), this->path("a"), 4).value(), "0123");
  const auto read = read_file(this->files(), this->path("a"), 3);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Errc::kTooLarge);
}

TYPED_TEST(FileSystemContract, replace_file_makes_and_replaces) {
  must(replace_file(this->files(), this->path("a"), as_bytes("a long first version")));
  must(replace_file(this->files(), this->path("a"), as_bytes("second")));
  EXPECT_EQ(this->get(this->path("a")), "second");
  EXPECT_EQ(this->files().list(this->path(".")).value(), std::vector<std::string>{"a"});
}

TYPED_TEST(FileSystemContract, replace_file_is_not_led_astray_by_a_replacement_that_a_crash_left) {
  this->put(this->path("a.tmp"), "much longer than what is written now");
  must(replace_file(this->files(), this->path("a"), as_bytes("short")));
  EXPECT_EQ(this->get(this->path("a")), "short");
}

}  // namespace
}  // namespace tidemark
