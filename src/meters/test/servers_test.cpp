#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fold_harness.hpp"
#include "model.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/flow/cursor.hpp"
#include "tidemark/sql/mysql/mysql.hpp"
#include "tidemark/sql/postgres/postgres.hpp"
#include "tidemark/sql/testing/scratch_database.hpp"

namespace tidemark::meters {
namespace {

using sql::testing::ScratchDatabase;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

PosixFileSystem& files() {
  static PosixFileSystem system;
  return system;
}

/// A server, and how a place of its own is made and dropped on it.
struct Server {
  const char* name;
  const char* url_variable;
  Result<std::unique_ptr<sql::Database>> (*open)(sql::ServerOptions options, FileSystem& files);
  const char* owners_schema;
  std::string create;
  std::string drop;
  std::string drop_end;
};

void run(const Server& server, const std::string& statement) {
  const auto database = must(
      server.open({.url = sql::testing::server_url(server.url_variable), .schema = server.owners_schema}, files()));
  must(must(database->connect())->execute(statement));
}

std::unique_ptr<sql::Database> open_scratch(const Server& server) {
  const std::string name = sql::testing::scratch_name();
  run(server, server.create + name);
  return std::make_unique<ScratchDatabase>(
      must(server.open({.url = sql::testing::server_url(server.url_variable), .schema = name}, files())),
      [&server, name] { run(server, server.drop + name + server.drop_end); });
}

const Server kServers[] = {
    {"postgres", "TIDEMARK_TEST_POSTGRES_URL", sql::postgres::open_database, "", "CREATE SCHEMA ", "DROP SCHEMA ",
     " CASCADE"},
    {"mysql", "TIDEMARK_TEST_MYSQL_URL", sql::mysql::open_database, "mysql", "CREATE DATABASE ", "DROP DATABASE ", ""}};

class TotalsOnServer : public ::testing::TestWithParam<const Server*> {
 protected:
  FoldHarness harness_{open_scratch(*GetParam())};
};

INSTANTIATE_TEST_SUITE_P(Servers, TotalsOnServer, ::testing::Values(&kServers[0], &kServers[1]),
                         [](const auto& param) { return param.param->name; });

TEST_P(TotalsOnServer, random_pages_and_one_page_come_to_what_the_model_adds_up) {
  FoldHarness paged(open_scratch(*GetParam()));
  expect_model(1, harness_, paged);
}

TEST_P(TotalsOnServer, subjects_tenants_and_groups_stay_apart_by_bytes) {
  DefinitionSource source = meter("m", "COUNT");
  source.group_by = {{"g", "$.g"}};
  harness_.define({source});
  const std::string long_subject(255, 's');
  for (int page = 0; page < 2; ++page) {
    harness_.events({R"(- a {"g":"x"})", R"(- A {"g":"x"})", R"(- a {"g":"x "})", "- \xc3\xa9", "- e",
                     "- \xf0\x9f\x98\x80", "- " + long_subject});
    harness_.fold();
  }
  EXPECT_THAT(harness_.totals(),
              ElementsAre(R"(m A {"g":"x"} TOTAL value=2 events=2)", R"(m a {"g":"x "} TOTAL value=2 events=2)",
                          R"(m a {"g":"x"} TOTAL value=2 events=2)", R"(m e {"g":""} TOTAL value=2 events=2)",
                          "m " + long_subject + R"( {"g":""} TOTAL value=2 events=2)",
                          "m \xc3\xa9 {\"g\":\"\"} TOTAL value=2 events=2",
                          "m \xf0\x9f\x98\x80 {\"g\":\"\"} TOTAL value=2 events=2"));
}

TEST_P(TotalsOnServer, overflow_leaves_out_exactly_the_event_at_fault) {
  harness_.define({meter("a", "AVG"), meter("m", "SUM")});
  harness_.events({R"(- s {"n":1})"});
  harness_.increments({"1 9223372036854775800"});
  harness_.fold();
  const std::string totals = harness_.table("tidemark_totals");
  harness_.execute("UPDATE " + totals + " SET value = 99999999999999999999999998.5 WHERE meter = 'm'");
  harness_.execute("UPDATE " + totals + " SET events = 9223372036854775806 WHERE meter = 'a'");
  harness_.events({R"(- s {"n":1})", R"(- s {"n":2})", R"(- s {"n":0.4})"});
  harness_.increments({"1 5", "1 3", "1 2"});
  harness_.fold();
  EXPECT_EQ(harness_.exact_pages(), 1);
  EXPECT_THAT(harness_.totals(), ElementsAre(HasSubstr("events=9223372036854775807"),
                                             "m s TOTAL value=99999999999999999999999999.9 events=3"));
  EXPECT_THAT(harness_.counters(), ElementsAre("default 1 9223372036854775807"));
  EXPECT_THAT(harness_.dead(),
              ElementsAre("3.1 default overflow: meter a: the total would leave its range; window TOTAL; meter m: the "
                          "total would leave its range; window TOTAL",
                          "3.2 default overflow: meter a: the total would leave its range; window TOTAL",
                          "4.1 default overflow: the counter would pass 9223372036854775807"));
}

TEST_P(TotalsOnServer, times_of_microseconds_and_before_1970_come_back) {
  harness_.define({meter("m", "LATEST", "$.n", {"HOUR", "TOTAL"})});
  harness_.events({R"(1969-12-31T23:59:59.999999Z a {"n":1})"});
  harness_.fold();
  harness_.events({R"(1969-12-31T23:59:59.999998Z a {"n":2})", R"(1970-01-01T00:00:00.000001Z a {"n":3})"});
  harness_.fold();
  EXPECT_THAT(harness_.totals(),
              ElementsAre("m a HOUR 1969-12-31T23:00:00Z value=1 events=2",
                          "m a HOUR 1970-01-01T00:00:00Z value=3 events=1", "m a TOTAL value=3 events=3"));
}

TEST_P(TotalsOnServer, ended_windows_lose_their_members_in_bounded_batches) {
  harness_.arrive_at("2024-01-01T00:00:00Z");
  harness_.define({meter("u", "UNIQUE_COUNT", "$.n", {"HOUR", "TOTAL"})});
  std::vector<std::string> lines;
  for (int i = 0; i < 6'000; ++i) lines.push_back("- a {\"n\":" + std::to_string(i) + "}");
  harness_.events(lines);
  harness_.fold();
  for (const std::int64_t left : {7'000, 6'000}) {
    harness_.arrive_at("2024-06-01T00:00:00Z");
    harness_.events({R"(- a {"n":7})"});  // A member that TOTAL still knows.
    harness_.fold();
    EXPECT_GE(harness_.count_rows("tidemark_uniques"), left);
    EXPECT_LE(harness_.count_rows("tidemark_uniques"), left + 1);
  }
  EXPECT_THAT(harness_.totals(),
              ElementsAre("u a HOUR 2024-01-01T00:00:00Z value=6000 events=6000",
                          "u a HOUR 2024-06-01T00:00:00Z value=1 events=2", "u a TOTAL value=6000 events=6002"));
}

TEST_P(TotalsOnServer, a_counter_is_read_with_its_watermark) {
  harness_.increments({"1 5"});
  harness_.fold();
  const Timestamp noon = must(parse_rfc3339("2024-03-01T12:00:00Z"));
  must(flow::insert_cursor(harness_.session(), {"totals", "log", 0}, {"0.0", "start", noon}, noon));
  const std::string key = "11111111-1111-1111-1111-111111111111";
  const auto total = must(read_increment(harness_.session(), "default", key, "log"));
  ASSERT_TRUE(total);
  EXPECT_EQ(total->value, 5);
  EXPECT_EQ(total->complete_through, noon);
  EXPECT_FALSE(must(read_increment(harness_.session(), "default", "22222222-2222-2222-2222-222222222222", "log")));
}

TEST_P(TotalsOnServer, migrates_again_after_a_kill_at_any_step) {
  const std::string forget = "DELETE FROM " + harness_.table("tidemark_schema") + " WHERE part = 'meters'";
  harness_.execute(forget);
  must(harness_.fold_object().migrate(harness_.session()));
  must(harness_.fold_object().migrate(harness_.session()));
  harness_.execute(forget);
  must(harness_.session().execute("DROP VIEW " + harness_.table("tidemark_totals_view")));
  must(harness_.fold_object().migrate(harness_.session()));
  EXPECT_EQ(harness_.count_rows("tidemark_totals_view"), 0);
}

}  // namespace
}  // namespace tidemark::meters
