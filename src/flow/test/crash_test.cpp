#include <gmock/gmock.h>
#include <signal.h>

#include <cstdlib>

#include "rig.hpp"
#include "tidemark/base/crash_point.hpp"

namespace tidemark::flow {
namespace {

/// A data directory on the real disk, fed and applied by one process after another.
class Server {
 public:
  explicit Server(const std::string& directory)
      : database_(sql::sqlite::make_database({.path = directory + "/sums.db"})) {
    log::RecoveryReport report;
    must(files_.make_directories(directory + "/log"));
    log_ = must(log::Log::open(files_, clock_, random_, metrics_,
                               {.directory = directory + "/log", .segment_bytes = 64 << 10}, report));
    flow_ = std::make_unique<LogFlow>(LogFlowOptions{}, *log_, *database_, fold_, clock_, random_, metrics_);
  }

  void append(const std::vector<Item>& items) {
    log::GroupBuilder group;
    group.reset(clock_.now());
    group.add(log::RecordKind::kEvents, as_bytes(encode(items)));
    must(log_->commit(group));
  }
  void apply() {
    while (!flow_->caught_up()) flow_->step(true);
  }
  std::string sum_and_letters() {
    const auto session = must(database_->connect());
    const auto rows =
        must(session->query("SELECT (SELECT sum(value) FROM sums WHERE key <> 'top') || ' ' || "
                            "(SELECT count(*) FROM tidemark_dead_letters)",
                            {}, std::vector{sql::Type::kText}));
    return std::get<std::string>(rows[0][0]);
  }

 private:
  PosixFileSystem files_;
  SystemClock clock_;
  SystemRandom random_;
  Metrics metrics_;
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<sql::Database> database_;
  SumFold fold_;
  std::unique_ptr<LogFlow> flow_;
};

constexpr std::int64_t kIntMax = 0x7fffffffffffffff;

void feed_and_apply(const std::string& directory) {
  Server server(directory);
  server.append({{"a", 1}, {"b", 10}, {"top", kIntMax}});
  server.apply();
  server.append({{"a", 100}, {"top", 1}});
  server.apply();
  server.append({{"b", 0}});  // One page more to be killed in, which changes no sum.
  server.apply();
}

class FlowCrash : public ::testing::TestWithParam<std::string> {};

TEST_P(FlowCrash, killed_at_a_step_loses_and_doubles_nothing) {
  // The child runs this test again from its beginning, and must come to the same directory.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  constexpr const char* kDirectory = "TIDEMARK_FLOW_CRASH_DIRECTORY";
  std::optional<TemporaryDirectory> made;
  if (std::getenv(kDirectory) == nullptr) setenv(kDirectory, made.emplace().path().c_str(), 1);
  const std::string directory = std::getenv(kDirectory);
  EXPECT_EXIT(
      {
        setenv("TIDEMARK_CRASH_AT", GetParam().c_str(), 1);
        feed_and_apply(directory);
      },
      ::testing::KilledBySignal(SIGKILL), "");
  unsetenv(kDirectory);

  Server server(directory);
  server.append({{"a", 1000}});
  server.apply();
  server.append({{"a", 1000}});
  server.apply();
  // What the child had appended before it was killed depends on the step; what it appended counts once.
  EXPECT_THAT(server.sum_and_letters(), ::testing::AnyOf("2011 0", "2111 1"));
}

#if defined(TIDEMARK_CRASH_POINTS)
std::vector<std::string> steps_of_the_flow() {
  std::vector<std::string> steps;
  for (const std::string_view step : crash_steps()) {
    if (!step.starts_with("flow.")) continue;
    steps.emplace_back(step);
    // The second page, and the pages of the isolation after it.
    if (step.find("migrat") == std::string_view::npos) {
      for (const char* occurrence : {":2", ":3"}) steps.push_back(std::string(step) + occurrence);
    }
  }
  return steps;
}
INSTANTIATE_TEST_SUITE_P(Steps, FlowCrash, ::testing::ValuesIn(steps_of_the_flow()), [](const auto& step) {
  std::string name = step.param;
  std::ranges::replace_if(name, [](char c) { return c == '.' || c == ':'; }, '_');
  return name;
});
#else
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FlowCrash);
#endif

}  // namespace
}  // namespace tidemark::flow
