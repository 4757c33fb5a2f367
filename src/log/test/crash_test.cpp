#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "log_fixture.hpp"
#include "tidemark/base/crash_point.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"

#if defined(TIDEMARK_CRASH_POINTS)

namespace tidemark::log {
namespace {

constexpr const char* kDirectoryVariable = "TIDEMARK_LOG_TEST_DIRECTORY";
constexpr std::uint64_t kTallyBase = 100;  // Keeps the number at three digits.

/// The module's steps, each with the occurrence that lies in the midst of the work.
std::vector<std::string> steps_in_use() {
  std::vector<std::string> steps;
  for (const std::string_view step : crash_steps()) {
    if (!step.starts_with("log.")) continue;
    const bool each_commit = step == "log.before_write" || step == "log.after_write" || step == "log.after_sync";
    steps.push_back(std::string(step) + (each_commit ? ":14" : step.starts_with("log.segment") ? ":3" : ""));
  }
  return steps;
}

/// Commits groups, noting how many were acknowledged; rolls and trims on the way.
[[noreturn]] void work(const std::string& directory) {
  PosixFileSystem files;
  LogUnderTest log(files, small_log(directory + "/log"));
  log.open();
  const auto tally = must(files.open(directory + "/acknowledged", OpenMode::kCreate));
  for (std::uint64_t i = 1; i <= 30; ++i) {
    must(log.commit(payload_of(700, i)));
    must(tally->write_at(0, as_bytes(std::to_string(kTallyBase + i))));
    if (i == 20) must(log->drop_oldest());
  }
  ::_exit(0);
}

class CrashAt : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Steps, CrashAt, ::testing::ValuesIn(steps_in_use()), [](const auto& step) {
  std::string name = step.param;
  std::ranges::replace_if(name, [](char c) { return c == '.' || c == ':'; }, '_');
  return name;
});

TEST_P(CrashAt, loses_nothing_acknowledged) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";  // The environment is read once in a process.
  std::optional<TemporaryDirectory> own;
  if (::getenv(kDirectoryVariable) == nullptr) {
    own.emplace();
    ::setenv(kDirectoryVariable, own->path().c_str(), 1);
  }
  const std::string directory = ::getenv(kDirectoryVariable);
  EXPECT_EXIT(
      {
        ::setenv("TIDEMARK_CRASH_AT", GetParam().c_str(), 1);
        work(directory);
      },
      ::testing::KilledBySignal(SIGKILL), "");
  ::unsetenv(kDirectoryVariable);

  PosixFileSystem files;
  const auto tally = read_file(files, directory + "/acknowledged", 100);
  const std::uint64_t acknowledged = tally && !tally->empty() ? std::stoull(*tally) - kTallyBase : 0;
  EXPECT_GT(acknowledged, 0);
  LogUnderTest log(files, small_log(directory + "/log"));
  log.open();
  EXPECT_THAT(log.report().damage, ::testing::IsEmpty());
  EXPECT_GT(log.report().end_offset, acknowledged);
  const Reading reading = read_from(*log, log->first_offset());
  EXPECT_THAT(reading.damage, ::testing::IsEmpty());
  for (const auto& [offset, entry] : reading.records) {
    if (entry.kind == RecordKind::kStart) continue;
    EXPECT_EQ(entry.payload, payload_of(700, offset));
  }
}

}  // namespace
}  // namespace tidemark::log

#endif
