#include "tidemark/base/crash_point.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "tidemark/base/file_system.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"

namespace tidemark {
namespace {

/// Each statement runs in a fresh process, since the environment is read once.
class CrashPoint : public ::testing::Test {
 protected:
  CrashPoint() { ::testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

void ask_for(const char* value) {
  ::setenv("TIDEMARK_CRASH_AT", value, 1);
}

[[noreturn]] void survive() {
  ::_exit(0);
}

TEST_F(CrashPoint, steps_are_named_once_by_module_and_what_happened) {
  std::set<std::string_view> seen;
  for (const std::string_view step : crash_steps()) {
    EXPECT_TRUE(seen.insert(step).second) << step;
    EXPECT_NE(step.find('.'), std::string_view::npos) << step;
    EXPECT_EQ(step.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789."), std::string_view::npos) << step;
  }
  const auto module_of = [](std::string_view step) { return step.substr(0, step.find('.')); };
  EXPECT_TRUE(std::ranges::is_sorted(crash_steps(), {}, module_of));
}

TEST_F(CrashPoint, kills_where_the_environment_says) {
  EXPECT_EXIT(
      {
        ask_for("base.replacement_synced");
        crash_if_at("base.replacement_written");
        crash_if_at("base.replacement_synced");
        survive();
      },
      ::testing::KilledBySignal(SIGKILL), "");
}

TEST_F(CrashPoint, kills_at_the_occurrence_asked_for) {
  const auto reach = [](int times) {
    ask_for("base.replacement_synced:3");
    for (int i = 0; i < times; ++i) crash_if_at("base.replacement_synced");
    survive();
  };
  EXPECT_EXIT(reach(2), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(reach(3), ::testing::KilledBySignal(SIGKILL), "");
}

TEST_F(CrashPoint, does_nothing_unless_asked) {
  EXPECT_EXIT(
      {
        ::unsetenv("TIDEMARK_CRASH_AT");
        for (const std::string_view step : crash_steps()) crash_if_at(step);
        survive();
      },
      ::testing::ExitedWithCode(0), "");
}

TEST_F(CrashPoint, a_step_missing_in_the_list_aborts) {
  EXPECT_DEATH(crash_if_at("base.never_listed"), "missing in crash_point.cpp: base.never_listed");
}

TEST_F(CrashPoint, a_misspelt_wish_aborts_instead_of_never_coming_true) {
  const auto wish = [](const char* value) {
    ask_for(value);
    crash_if_at("base.replacement_synced");
  };
  EXPECT_DEATH(wish("base.replacment_synced"), "unknown step: base.replacment_synced");
  EXPECT_DEATH(wish("base.replacement_synced:0"), "N from 1");
  EXPECT_DEATH(wish("base.replacement_synced:x"), "N from 1");
  EXPECT_DEATH(wish("base.replacement_synced:"), "N from 1");
}

class ReplacementCrash : public CrashPoint, public ::testing::WithParamInterface<std::string_view> {};

TEST_P(ReplacementCrash, leaves_the_old_file_or_the_new) {
  // The fresh process runs this test from its start: it finds the directory of the first one here.
  constexpr const char* kShared = "TIDEMARK_CRASH_TEST_DIRECTORY";
  const TemporaryDirectory own;
  const char* const given = ::getenv(kShared);
  const std::string path = (given != nullptr ? given : own.path()) + std::string("/state");
  ::setenv(kShared, own.path().c_str(), 0);
  PosixFileSystem files;
  if (given == nullptr) must(replace_file(files, path, as_bytes("old")));

  const std::string wish(GetParam());
  EXPECT_EXIT(
      {
        ask_for(wish.c_str());
        must(replace_file(files, path, as_bytes("new")));
        survive();
      },
      ::testing::KilledBySignal(SIGKILL), "");
  ::unsetenv(kShared);
  EXPECT_EQ(must(read_file(files, path, 100)), wish == "base.replacement_renamed" ? "new" : "old");
  must(replace_file(files, path, as_bytes("next")));
  EXPECT_EQ(must(read_file(files, path, 100)), "next");
}

INSTANTIATE_TEST_SUITE_P(EveryStep, ReplacementCrash,
                         ::testing::Values("base.replacement_written", "base.replacement_synced",
                                           "base.replacement_renamed"));

}  // namespace
}  // namespace tidemark
