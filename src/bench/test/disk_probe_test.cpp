#include "disk_probe.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace tidemark::bench {
namespace {

TEST(DiskProbe, counts_writes_and_leaves_nothing) {
  std::string folder = (std::filesystem::temp_directory_path() / "tidemark-probe-XXXXXX").string();
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const auto taken = probe_disk(folder);
  ASSERT_TRUE(taken.has_value()) << taken.error().message();
  EXPECT_GT(taken->count(), 0);
  EXPECT_LE(taken->percentile(0.5), taken->percentile(0.99));
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
}

TEST(DiskProbe, a_missing_directory_is_an_error) {
  EXPECT_FALSE(probe_disk("/nonexistent/tidemark-probe").has_value());
}

}  // namespace
}  // namespace tidemark::bench
