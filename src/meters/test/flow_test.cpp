#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "fold_harness.hpp"
#include "tidemark/base/testing/manual_clock.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/seeded_random.hpp"
#include "tidemark/flow/log_flow.hpp"
#include "tidemark/log/log.hpp"
#include "tidemark/sql/sqlite/database.hpp"
#include "tidemark/sql/testing/faulty_database.hpp"

namespace tidemark::meters {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// The totals flow as the server runs it: a log in memory, the kernel, the fold, and SQLite behind connections that
/// break.
class TotalsFlow {
 public:
  explicit TotalsFlow(std::size_t page_items) {
    options_.page_items = page_items;
    must(files_.make_directories("log"));
    restart();
  }

  /// A new start of the server, on the log and the database that are there.
  void restart() {
    flow_.reset();
    log_.reset();
    log::RecoveryReport report;
    log::LogOptions options{.directory = "log", .segment_bytes = 256 << 10, .prepare_in_background = false};
    log_ = must(log::Log::open(files_, clock_, random_, metrics_, options, report));
    fold_ = std::make_unique<TotalsFold>(std::chrono::days(31), [this] { return clock_.now(); }, metrics_);
    flow_ = std::make_unique<flow::LogFlow>(options_, *log_, faulty_, *fold_, clock_, random_, metrics_);
  }

  void append(const log::Record& record) {
    log::GroupBuilder group;
    group.reset(clock_.now());
    group.add(record.kind, record.payload);
    must(log_->commit(group));
  }

  bool caught_up() const { return flow_->caught_up(); }
  void step() { clock_.advance(flow_->step(true)); }
  void run() {
    for (int steps = 0; !caught_up() && steps < 10'000; ++steps) step();
    EXPECT_TRUE(caught_up()) << flow_->status().reason;
  }

  std::unique_ptr<sql::Session> session() { return must(database_->connect()); }
  sql::testing::FaultyDatabase& faults() { return faulty_; }
  std::string log_id() const { return log_->id().to_string(); }

  /// `TENANT REASON: DETAIL`, in log order.
  std::vector<std::string> dead() {
    const std::vector types{sql::Type::kKeyText, sql::Type::kKeyText, sql::Type::kLongText};
    std::vector<std::string> lines;
    for (const sql::Row& row : must(session()->query("SELECT tenant, reason, detail FROM tidemark_dead_letters "
                                                     "ORDER BY CAST(position AS INTEGER), event_index",
                                                     {}, types))) {
      lines.push_back(std::get<std::string>(row[0]) + " " + std::get<std::string>(row[1]) + ": " +
                      std::get<std::string>(row[2]));
    }
    return lines;
  }

 private:
  TemporaryDirectory directory_;
  MemoryFileSystem files_;
  ManualClock clock_{must(parse_rfc3339("2024-03-01T12:00:00Z"))};
  SystemRandom random_;
  Metrics metrics_;
  flow::LogFlowOptions options_;
  std::unique_ptr<sql::Database> database_ = sql::sqlite::make_database({.path = directory_.file("totals.db")});
  sql::testing::FaultyDatabase faulty_{*database_};
  std::unique_ptr<log::Log> log_;
  std::unique_ptr<TotalsFold> fold_;
  std::unique_ptr<flow::LogFlow> flow_;
};

class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  int below(int bound) { return std::uniform_int_distribution(0, bound - 1)(random_); }

 private:
  std::mt19937 random_;
};

/// Records of every kind, with invalid values, changing definitions, and counters that overflow.
void write_history(FoldHarness& harness, Dice& dice) {
  for (int part = 0; part < 3; ++part) {
    const std::string path = part == 1 ? "$.k" : "$.n";
    harness.define({meter("avg", "AVG", path, {"TOTAL", "DAY"}), meter("calls", "COUNT", "", {"HOUR"}),
                    meter("last", "LATEST", path), meter("sum", "SUM", path, {}),
                    meter("users", "UNIQUE_COUNT", "$.u", {})});
    for (int record = 0; record < 4; ++record) {
      std::vector<std::string> lines;
      for (int i = dice.below(30); i >= 0; --i) {
        const std::string value = dice.below(15) == 0 ? "true" : std::to_string(dice.below(100)) + ".5";
        lines.push_back("2024-02-29T2" + std::to_string(dice.below(4)) + ":00:00Z s" + std::to_string(dice.below(4)) +
                        R"( {"n":)" + value + R"(,"k":1,"u":"u)" + std::to_string(dice.below(5)) + R"("})");
      }
      harness.events(lines);
      lines.clear();
      for (int i = dice.below(6); i >= 0; --i) {
        lines.push_back(std::to_string(dice.below(3)) + " " + (dice.below(3) == 0 ? "4000000000000000000" : "7"));
      }
      harness.increments(lines);
    }
  }
}

TEST(TotalsFlow, comes_to_one_pages_totals_whatever_breaks_and_wherever_pages_are_cut) {
  constexpr Errc kFaults[] = {Errc::kConnectionLost, Errc::kTimeout, Errc::kContention, Errc::kDiskFull};
  for (unsigned seed = 1; seed <= 6; ++seed) {
    Dice dice(seed);
    FoldHarness reference;
    write_history(reference, dice);
    reference.fold();
    ASSERT_GT(reference.exact_pages(), 0);
    TotalsFlow flow(static_cast<std::size_t>(1 + dice.below(60)));
    for (const log::Record& record : reference.records()) {
      flow.append(record);
      if (dice.below(3) > 0) continue;
      for (int faults = dice.below(4); faults > 0; --faults) {
        flow.faults().inject({.after = static_cast<std::uint64_t>(dice.below(12)),
                              .code = kFaults[dice.below(4)],
                              .takes_effect = dice.below(2) == 0});
        for (int steps = 0; !flow.caught_up() && steps < 4; ++steps) flow.step();
      }
      flow.faults().clear();
      if (dice.below(4) == 0) flow.restart();
    }
    flow.run();
    EXPECT_EQ(read_totals(*flow.session()), reference.totals()) << "seed " << seed;
    EXPECT_EQ(read_counters(*flow.session()), reference.counters()) << "seed " << seed;
    std::vector<std::string> expected;
    for (const std::string& line : reference.dead()) expected.push_back(line.substr(line.find(' ') + 1));
    EXPECT_EQ(flow.dead(), expected) << "seed " << seed;
  }
}

TEST(TotalsFlow, answers_a_counter_with_how_far_it_is_complete) {
  FoldHarness source;
  source.increments({"1 5"});
  TotalsFlow flow(100);
  flow.append(source.record(0));
  flow.run();
  const std::string key = "11111111-1111-1111-1111-111111111111";
  const auto total = must(read_increment(*flow.session(), "default", key, flow.log_id()));
  ASSERT_TRUE(total);
  EXPECT_EQ(total->value, 5);
  EXPECT_GE(total->complete_through, must(parse_rfc3339("2024-03-01T12:00:00Z")));
}

TEST(TotalsFlow, folds_with_the_definitions_in_force_after_a_restart) {
  FoldHarness source;
  source.define({meter("m", "SUM")});
  source.events({R"(- a {"n":1})"});
  source.events({R"(- a {"n":2})", R"(- a {"n":"?"})"});
  TotalsFlow flow(100);
  flow.append(source.record(0));
  flow.append(source.record(1));
  flow.run();
  flow.restart();
  flow.append(source.record(2));
  flow.run();
  EXPECT_THAT(read_totals(*flow.session()), ElementsAre("m a TOTAL value=3 events=2"));
  EXPECT_EQ(flow.dead().size(), 1u);
}

TEST(TotalsFlow, stops_at_definitions_of_a_newer_version) {
  FoldHarness source;
  source.raw(log::RecordKind::kDefinitions, R"({"version":99})");
  source.increments({"1 5"});
  TotalsFlow flow(100);
  flow.append(source.record(0));
  flow.append(source.record(1));
  for (int steps = 0; steps < 20; ++steps) flow.step();
  EXPECT_FALSE(flow.caught_up());
  EXPECT_THAT(read_counters(*flow.session()), IsEmpty());
}

}  // namespace
}  // namespace tidemark::meters
