#include <gtest/gtest.h>

#include <cstdlib>

#include "setting_table.hpp"
#include "tidemark/base/file_system.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/config/load.hpp"

namespace tidemark::config {
namespace {

constexpr const char* kCommitted = TIDEMARK_SOURCE_DIR "/docs/configuration.md";

TEST(Reference, the_committed_file_is_what_the_table_says) {
  PosixFileSystem files;
  if (std::getenv("TIDEMARK_WRITE_REFERENCE") != nullptr) must(replace_file(files, kCommitted, as_bytes(reference())));
  EXPECT_EQ(must(read_file(files, kCommitted, 1 << 20)), reference())
      << "write it anew with TIDEMARK_WRITE_REFERENCE=1 config_test";
}

TEST(Reference, every_setting_stands_in_it) {
  const std::string text = reference();
  for (const Setting& setting : setting_table()) {
    EXPECT_NE(text.find("`" + std::string(setting.key) + "`"), std::string::npos) << setting.key;
  }
}

}  // namespace
}  // namespace tidemark::config
