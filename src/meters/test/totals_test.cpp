#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fold_harness.hpp"
#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/testing/must.hpp"

namespace tidemark::meters {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::vector<std::string> kAllWindows{"TOTAL", "HOUR", "DAY", "MONTH"};

TEST(Totals, sum_goes_into_every_window_that_the_meter_keeps) {
  FoldHarness harness;
  harness.define({meter("m", "SUM", "$.n", kAllWindows)});
  harness.events({R"(2024-02-29T23:59:59.999999Z ann {"n":1})",  //
                  R"(2024-03-01T00:00:00Z        ann {"n":2.5})",
                  R"(2024-03-01T00:59:59Z        ann {"n":-0.25})",  //
                  R"(2024-03-01T01:00:00Z        bob {"n":10})"});
  harness.fold();
  EXPECT_THAT(harness.totals(), ElementsAre("m ann DAY 2024-02-29T00:00:00Z value=1 events=1",       //
                                            "m ann DAY 2024-03-01T00:00:00Z value=2.25 events=2",    //
                                            "m ann HOUR 2024-02-29T23:00:00Z value=1 events=1",      //
                                            "m ann HOUR 2024-03-01T00:00:00Z value=2.25 events=2",   //
                                            "m ann MONTH 2024-02-01T00:00:00Z value=1 events=1",     //
                                            "m ann MONTH 2024-03-01T00:00:00Z value=2.25 events=2",  //
                                            "m ann TOTAL value=3.25 events=3",                       //
                                            "m bob DAY 2024-03-01T00:00:00Z value=10 events=1",      //
                                            "m bob HOUR 2024-03-01T01:00:00Z value=10 events=1",     //
                                            "m bob MONTH 2024-03-01T00:00:00Z value=10 events=1",    //
                                            "m bob TOTAL value=10 events=1"));
}

TEST(Totals, windows_before_1970_begin_before_their_events) {
  FoldHarness harness;
  harness.define({meter("m", "COUNT", "", kAllWindows)});
  harness.events({"1969-12-31T23:59:59.999999Z ann", "1970-01-01T00:00:00Z ann", "1968-02-29T12:30:00Z ann"});
  harness.fold();
  EXPECT_THAT(
      harness.totals("window_size <> 'HOUR'"),
      ElementsAre("m ann DAY 1968-02-29T00:00:00Z value=1 events=1", "m ann DAY 1969-12-31T00:00:00Z value=1 events=1",
                  "m ann DAY 1970-01-01T00:00:00Z value=1 events=1",
                  "m ann MONTH 1968-02-01T00:00:00Z value=1 events=1",
                  "m ann MONTH 1969-12-01T00:00:00Z value=1 events=1",
                  "m ann MONTH 1970-01-01T00:00:00Z value=1 events=1", "m ann TOTAL value=3 events=3"));
  EXPECT_THAT(harness.totals("window_size = 'HOUR'"), ElementsAre("m ann HOUR 1968-02-29T12:00:00Z value=1 events=1",
                                                                  "m ann HOUR 1969-12-31T23:00:00Z value=1 events=1",
                                                                  "m ann HOUR 1970-01-01T00:00:00Z value=1 events=1"));
}

TEST(Totals, any_choice_of_windows_is_made_from_its_finest) {
  FoldHarness harness;
  harness.define(
      {meter("d", "COUNT", "", {"DAY", "TOTAL"}), meter("m", "COUNT", "", {"MONTH"}), meter("t", "COUNT", "")});
  harness.events({"2024-03-01T01:00:00Z a", "2024-03-31T23:00:00Z a", "2024-04-01T00:00:00Z a"});
  harness.fold();
  EXPECT_THAT(
      harness.totals(),
      ElementsAre("d a DAY 2024-03-01T00:00:00Z value=1 events=1", "d a DAY 2024-03-31T00:00:00Z value=1 events=1",
                  "d a DAY 2024-04-01T00:00:00Z value=1 events=1", "d a TOTAL value=3 events=3",
                  "m a MONTH 2024-03-01T00:00:00Z value=2 events=2", "m a MONTH 2024-04-01T00:00:00Z value=1 events=1",
                  "t a TOTAL value=3 events=3"));
}

TEST(Totals, an_event_without_time_happened_when_it_arrived) {
  FoldHarness harness;
  harness.define({meter("m", "COUNT", "", {"HOUR"})});
  harness.arrive_at("2024-07-01T10:59:59Z");
  harness.events({"- a"});
  harness.fold();
  EXPECT_THAT(harness.totals(), ElementsAre("m a HOUR 2024-07-01T10:00:00Z value=1 events=1"));
  EXPECT_EQ(harness.one_text("SELECT first_time || ' ' || last_time FROM tidemark_totals"),
            "2024-07-01T10:59:59.000000Z 2024-07-01T10:59:59.000000Z");
}

struct AggregationRow {
  const char* aggregation;
  std::vector<const char*> values;
  const char* total;
};

class TotalsByPage : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(PageItems, TotalsByPage, ::testing::Values(1, 2, 1000));

TEST_P(TotalsByPage, each_aggregation_comes_to_the_same_however_pages_are_cut) {
  const AggregationRow rows[] = {
      {"COUNT", {"5", "5", "null"}, "3"},
      {"SUM", {"0.1", "0.2", "-0.4"}, "-0.1"},
      {"MIN", {"3", "-10", "9"}, "-10"},
      {"MIN", {"-9", "-10.5", "-10"}, "-10.5"},
      {"MAX", {"3", "10", "9"}, "10"},
      {"MAX", {"-3", "-0.5", "-9"}, "-0.5"},
      {"AVG", {"1", "2", "2"}, "1.666666666667"},
      {"AVG", {"-1", "-2", "-2"}, "-1.666666666667"},
      {"AVG", {"1", "-1", "0"}, "0"},
      {"LATEST", {"7", "8", "6"}, "6"},
      {"UNIQUE_COUNT", {R"("x")", R"("y")", R"("x")"}, "2"},
      {"UNIQUE_COUNT", {"1", "1.0", R"("1")"}, "2"},
  };
  for (const AggregationRow& row : rows) {
    FoldHarness harness;
    harness.define({meter("m", row.aggregation)});
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      lines.push_back("2024-03-01T00:00:0" + std::to_string(i) + "Z a {\"n\":" + row.values[i] + "}");
    }
    harness.events(lines);
    harness.fold(GetParam());
    EXPECT_THAT(harness.totals(), ElementsAre(std::string("m a TOTAL value=") + row.total + " events=3"))
        << row.aggregation;
  }
}

TEST_P(TotalsByPage, latest_is_by_event_time_and_ties_go_to_the_later_in_the_log) {
  FoldHarness harness;
  harness.define({meter("m", "LATEST", "$.n", {"TOTAL", "HOUR"})});
  harness.events({R"(2024-03-01T02:00:00Z a {"n":1})",  //
                  R"(2024-03-01T01:30:00Z a {"n":2})",  //
                  R"(2024-03-01T02:00:00Z a {"n":3})",  //
                  R"(2024-03-01T01:29:59.999999Z a {"n":4})"});
  harness.fold(GetParam());
  EXPECT_THAT(harness.totals(),
              ElementsAre("m a HOUR 2024-03-01T01:00:00Z value=2 events=2",
                          "m a HOUR 2024-03-01T02:00:00Z value=3 events=2", "m a TOTAL value=3 events=4"));
}

TEST_P(TotalsByPage, uniques_count_once_a_window_across_pages) {
  FoldHarness harness;
  harness.define({meter("m", "UNIQUE_COUNT", "$.u", {"TOTAL", "DAY", "HOUR"})});
  harness.events({R"(2024-03-01T01:00:00Z a {"u":"x"})",  //
                  R"(2024-03-01T02:00:00Z a {"u":"x"})",  //
                  R"(2024-03-01T02:10:00Z a {"u":"y"})",  //
                  R"(2024-03-01T02:20:00Z a {"u":"x"})",  //
                  R"(2024-03-02T02:00:00Z a {"u":"x"})",  //
                  R"(2024-03-02T02:00:00Z b {"u":"x"})"});
  harness.fold(GetParam());
  EXPECT_THAT(
      harness.totals(),
      ElementsAre("m a DAY 2024-03-01T00:00:00Z value=2 events=4", "m a DAY 2024-03-02T00:00:00Z value=1 events=1",
                  "m a HOUR 2024-03-01T01:00:00Z value=1 events=1", "m a HOUR 2024-03-01T02:00:00Z value=2 events=3",
                  "m a HOUR 2024-03-02T02:00:00Z value=1 events=1", "m a TOTAL value=2 events=5",
                  "m b DAY 2024-03-02T00:00:00Z value=1 events=1", "m b HOUR 2024-03-02T02:00:00Z value=1 events=1",
                  "m b TOTAL value=1 events=1"));
  EXPECT_EQ(harness.count_rows("tidemark_uniques"), 2 + 1 + 1 + 2 + 1 + 2 + 3);
}

TEST_P(TotalsByPage, groups_subjects_and_tenants_stay_apart) {
  DefinitionSource source = meter("m", "COUNT");
  source.group_by = {{"plan", "$.plan"}, {"region", "$.region"}};
  FoldHarness harness;
  harness.define({source});
  const std::string long_subject(255, 's');
  harness.events({R"(- a {"plan":"pro","region":"eu"})", R"(- a {"region":"eu","plan":"pro"})", R"(- a {"plan":"pro"})",
                  R"(- A {"plan":"pro"})", "- \xf0\x9f\x98\x80", "- " + long_subject});
  harness.events({R"(- a {"plan":"pro"})"}, "other");
  harness.fold(GetParam());
  EXPECT_THAT(harness.totals("tenant = 'default'"),
              ElementsAre(R"(m A {"plan":"pro","region":""} TOTAL value=1 events=1)",
                          R"(m a {"plan":"pro","region":""} TOTAL value=1 events=1)",
                          R"(m a {"plan":"pro","region":"eu"} TOTAL value=2 events=2)",
                          "m " + long_subject + R"( {"plan":"","region":""} TOTAL value=1 events=1)",
                          "m \xf0\x9f\x98\x80 {\"plan\":\"\",\"region\":\"\"} TOTAL value=1 events=1"));
  EXPECT_THAT(harness.totals("tenant = 'other'"),
              ElementsAre(R"(m a {"plan":"pro","region":""} TOTAL value=1 events=1)"));
}

TEST_P(TotalsByPage, definitions_change_at_their_position) {
  FoldHarness harness;
  harness.events({R"(- a {"n":100,"k":100})"});  // Nobody's: no definitions are in force yet.
  harness.define({meter("m", "SUM", "$.n")});
  harness.events({R"(- a {"n":1,"k":10})", R"(- a {"n":2,"k":20})"});
  harness.define({meter("m", "SUM", "$.k"), meter("x", "MAX", "$.n")});
  harness.events({R"(- a {"n":4,"k":40})", R"(- a {"n":3,"k":30})"});
  harness.define({});
  harness.events({R"(- a {"n":1000,"k":1000})"});
  harness.fold(GetParam());
  EXPECT_THAT(harness.totals(), ElementsAre("m a TOTAL value=73 events=4", "x a TOTAL value=4 events=2"));
}

TEST_P(TotalsByPage, a_meters_rows_go_on_under_its_new_aggregation) {
  FoldHarness harness;
  harness.define({meter("m", "SUM")});
  harness.events({R"(- a {"n":1})", R"(- a {"n":2})"});
  harness.define({meter("m", "MAX")});
  harness.events({R"(- a {"n":2.5})", R"(- a {"n":4})"});
  harness.fold(GetParam());
  EXPECT_THAT(harness.totals(), ElementsAre("m a TOTAL value=4 events=4"));
}

TEST_P(TotalsByPage, invalid_values_are_dead_for_their_meter_alone) {
  FoldHarness harness;
  harness.define({meter("avg", "AVG", "$.x"), meter("calls", "COUNT"), meter("sum", "SUM", "$.y")});
  harness.events({R"(- a {"x":1,"y":2})", R"(- a {"x":"no","y":3})", R"(- a {})", R"(- a {"x":4,"y":5})"});
  harness.fold(GetParam());
  EXPECT_THAT(harness.totals(), ElementsAre("avg a TOTAL value=2.5 events=2", "calls a TOTAL value=4 events=4",
                                            "sum a TOTAL value=10 events=3"));
  EXPECT_THAT(
      harness.dead(),
      ElementsAre("1.1 default invalid_value: meter avg: $.x is a string that isn't a number; not a decimal number; "
                  "write digits with an optional sign, fraction and exponent",
                  "1.2 default invalid_value: meter avg: $.x is missing; send a number; meter sum: $.y is missing; "
                  "send a number"));
  EXPECT_EQ(harness.dead_letters().at(0).payload,
            R"({"specversion":"1.0","id":"1","source":"test","type":"use","subject":"a","data":{"x":"no","y":3}})");
}

TEST(Totals, a_million_tenths_are_100000) {
  FoldHarness harness;
  harness.define({meter("m", "SUM")});
  for (int record = 0; record < 10; ++record) harness.events(std::vector<std::string>(100'000, R"(- a {"n":0.1})"));
  harness.fold(300'000);
  EXPECT_THAT(harness.totals(), ElementsAre("m a TOTAL value=100000 events=1000000"));
}

TEST(Totals, times_and_update_are_kept) {
  FoldHarness harness;
  harness.define({meter("m", "COUNT")});
  harness.arrive_at("2024-03-05T00:00:00Z");
  harness.events({"2024-03-02T00:00:00.5Z a", "2024-03-01T00:00:00Z a", "2024-03-02T00:00:00Z a"});
  harness.fold(1);
  EXPECT_EQ(harness.one_text("SELECT first_time || ' ' || last_time || ' ' || updated_at FROM tidemark_totals"),
            "2024-03-01T00:00:00.000000Z 2024-03-02T00:00:00.500000Z 2024-03-05T00:00:01.000000Z");
}

TEST(Totals, only_averages_have_a_sum) {
  FoldHarness harness;
  harness.define({meter("a", "AVG"), meter("b", "SUM")});
  harness.events({R"(- s {"n":1})", R"(- s {"n":2})", R"(- s {"n":2})"});
  harness.fold(2);
  EXPECT_EQ(harness.one_text("SELECT group_concat(meter || '=' || coalesce(sum, 'NULL')) FROM (SELECT * FROM "
                             "tidemark_totals_view ORDER BY meter)"),
            "a=5,b=NULL");
}

TEST(Totals, a_page_rolled_back_and_folded_again_counts_once) {
  FoldHarness harness;
  harness.define({meter("m", "SUM"), meter("u", "UNIQUE_COUNT", "$.n")});
  harness.events({R"(- a {"n":1})", R"(- a {"n":2})", R"(- a {"n":null})"});
  harness.increments({"1 5", "2 7"});
  harness.fold_after_a_crash();
  EXPECT_THAT(harness.totals(), ElementsAre("m a TOTAL value=3 events=2", "u a TOTAL value=2 events=2"));
  EXPECT_THAT(harness.counters(), ElementsAre("default 1 5", "default 2 7"));
  EXPECT_THAT(harness.dead(), SizeIs(1));
}

TEST(Totals, more_rows_than_a_batch_holds_are_all_written) {
  FoldHarness harness;
  harness.define({meter("m", "AVG"), meter("u", "UNIQUE_COUNT")});
  for (int round = 0; round < 2; ++round) {
    std::vector<std::string> lines;
    for (int i = 0; i < 20'000; ++i)
      lines.push_back("- s" + std::to_string(i) + " {\"n\":" + std::to_string(i + round) + "}");
    harness.events(lines);
    harness.fold();
  }
  EXPECT_EQ(harness.count_rows("tidemark_totals"), 40'000);
  EXPECT_EQ(harness.count_rows("tidemark_uniques"), 40'000);
  EXPECT_THAT(harness.totals("subject = 's777'"),
              ElementsAre("m s777 TOTAL value=777.5 events=2", "u s777 TOTAL value=2 events=2"));
}

TEST(Overflow, of_a_sum_leaves_out_exactly_the_event_at_fault) {
  FoldHarness harness;
  harness.define({meter("m", "SUM", "$.n", {"TOTAL", "HOUR"})});
  harness.events({R"(- a {"n":1})"});
  harness.fold();
  harness.execute("UPDATE tidemark_totals SET value = '99999999999999999999999998.5' WHERE window_size = 'TOTAL'");
  harness.events({R"(- a {"n":1})", R"(- b {"n":7})", R"(- a {"n":2})", R"(- a {"n":-1})", R"(- a {"n":1.4})",
                  R"(- a {"n":"x"})"});
  harness.fold();
  EXPECT_EQ(harness.exact_pages(), 1);
  EXPECT_THAT(harness.dead(),
              ElementsAre(HasSubstr("2.2 default overflow: meter m: the total would leave its range; window TOTAL"),
                          HasSubstr("2.5 default invalid_value")));
  EXPECT_THAT(harness.totals(),
              ElementsAre("m a HOUR 2024-03-01T12:00:00Z value=2.4 events=4",
                          "m a TOTAL value=99999999999999999999999999.9 events=4",
                          "m b HOUR 2024-03-01T12:00:00Z value=7 events=1", "m b TOTAL value=7 events=1"));
}

TEST(Overflow, of_the_number_of_events_is_found_for_every_aggregation) {
  for (const char* aggregation : {"COUNT", "SUM", "MIN", "MAX", "AVG", "LATEST", "UNIQUE_COUNT"}) {
    FoldHarness harness;
    harness.define({meter("m", aggregation), meter("other", "COUNT")});
    harness.events({R"(- a {"n":1})"});
    harness.fold();
    harness.execute("UPDATE tidemark_totals SET events = 9223372036854775806 WHERE meter = 'm'");
    harness.events({R"(- a {"n":1})", R"(- a {"n":2})", R"(- b {"n":3})"});
    harness.fold();
    EXPECT_EQ(harness.exact_pages(), 1) << aggregation;
    EXPECT_THAT(harness.totals("meter = 'm' AND subject = 'a'"), ElementsAre(HasSubstr("events=9223372036854775807")))
        << aggregation;
    EXPECT_THAT(harness.totals("meter = 'other'"),
                ElementsAre("other a TOTAL value=3 events=3", "other b TOTAL value=1 events=1"));
    EXPECT_THAT(harness.dead(),
                ElementsAre("2.1 default overflow: meter m: the total would leave its range; window TOTAL"));
    EXPECT_EQ(harness.dead_letters().at(0).payload,
              R"({"specversion":"1.0","id":"1","source":"test","type":"use","subject":"a","data":{"n":2}})");
  }
}

TEST(Overflow, of_one_window_keeps_the_event_out_of_all) {
  FoldHarness harness;
  harness.define({meter("m", "COUNT", "", {"TOTAL", "MONTH"})});
  harness.events({"- a"});
  harness.fold();
  harness.execute("UPDATE tidemark_totals SET events = 9223372036854775807 WHERE window_size = 'MONTH'");
  harness.events({"- a", "2024-04-01T00:00:00Z a"});
  harness.fold();
  EXPECT_THAT(harness.totals(),
              ElementsAre("m a MONTH 2024-03-01T00:00:00Z value=1 events=9223372036854775807",
                          "m a MONTH 2024-04-01T00:00:00Z value=1 events=1", "m a TOTAL value=2 events=2"));
  EXPECT_THAT(harness.dead(),
              ElementsAre("2.0 default overflow: meter m: the total would leave its range; window MONTH from "
                          "2024-03-01T00:00:00Z"));
}

TEST(Overflow, and_invalid_values_of_one_event_are_one_dead_letter) {
  FoldHarness harness;
  harness.define({meter("c", "COUNT"), meter("s", "SUM")});
  harness.events({R"(- a {"n":1})"});
  harness.fold();
  harness.execute("UPDATE tidemark_totals SET events = 9223372036854775807 WHERE meter = 'c'");
  harness.events({R"(- a {})"});
  harness.fold();
  EXPECT_THAT(harness.dead(),
              ElementsAre("2.0 default overflow: meter s: $.n is missing; send a number; meter c: the total "
                          "would leave its range; window TOTAL"));
}

TEST(Overflow, of_a_member_leaves_it_uncounted) {
  FoldHarness harness;
  harness.define({meter("u", "UNIQUE_COUNT")});
  harness.events({R"(- a {"n":"x"})"});
  harness.fold();
  harness.execute("UPDATE tidemark_totals SET events = 9223372036854775806");
  harness.events({R"(- a {"n":"y"})", R"(- a {"n":"z"})"});
  harness.fold();
  EXPECT_THAT(harness.totals(), ElementsAre("u a TOTAL value=2 events=9223372036854775807"));
  EXPECT_EQ(harness.count_rows("tidemark_uniques"), 2);
}

TEST(Overflow, of_a_counter_leaves_out_exactly_the_increments_at_fault) {
  FoldHarness harness;
  harness.increments({"1 9223372036854775800", "2 1"});
  harness.fold();
  harness.increments({"1 5", "1 3", "2 1", "1 2", "3 9223372036854775807", "3 1"});
  harness.fold();
  EXPECT_EQ(harness.exact_pages(), 1);
  EXPECT_THAT(harness.counters(),
              ElementsAre("default 1 9223372036854775807", "default 2 2", "default 3 9223372036854775807"));
  EXPECT_THAT(harness.dead(), ElementsAre("1.1 default overflow: the counter would pass 9223372036854775807",
                                          "1.5 default overflow: the counter would pass 9223372036854775807"));
  EXPECT_EQ(harness.dead_letters().at(0).payload, R"({"key":"11111111-1111-1111-1111-111111111111","value":3})");
}

TEST(Overflow, finds_the_same_increments_however_pages_are_cut) {
  for (const std::size_t items : {1u, 2u, 3u, 100u}) {
    FoldHarness harness;
    harness.increments({"1 9223372036854775800", "1 9", "1 7", "1 1", "2 4"});
    harness.fold(items);
    EXPECT_THAT(harness.counters(), ElementsAre("default 1 9223372036854775807", "default 2 4"));
    EXPECT_THAT(harness.dead(), ElementsAre(HasSubstr("0.1"), HasSubstr("0.3")));
  }
}

TEST(Increments, add_up_by_tenant_and_key) {
  FoldHarness harness;
  harness.increments({"1 5", "2 1", "1 6"});
  harness.increments({"1 100"}, "acme");
  harness.fold();
  harness.increments({"2 1"});
  harness.fold();
  EXPECT_THAT(harness.counters(), ElementsAre("acme 1 100", "default 1 11", "default 2 2"));
}

TEST(Increments, of_less_than_one_are_dead) {
  FoldHarness harness;
  harness.increments({"1 5", "1 0", "1 -3"});
  harness.fold();
  EXPECT_THAT(harness.counters(), ElementsAre("default 1 5"));
  EXPECT_THAT(harness.dead(), ElementsAre("0.1 default invalid_value: value is below 1",
                                          "0.2 default invalid_value: value is below 1"));
}

TEST(Increments, are_read_with_their_watermark) {
  FoldHarness harness;
  harness.increments({"1 5"});
  harness.fold();
  const std::string key = "11111111-1111-1111-1111-111111111111";
  auto total = must(read_increment(harness.session(), "default", key, "log"));
  EXPECT_EQ(total->value, 5);
  EXPECT_FALSE(total->complete_through);
  const Timestamp noon = must(parse_rfc3339("2024-03-01T12:00:00Z"));
  const auto write_cursor = [&](const char* flow, const char* log, Timestamp through) {
    must(flow::insert_cursor(harness.session(), {flow, log, 0}, {"0.0", "start", through}, noon));
  };
  write_cursor("totals", "log", noon);
  write_cursor("archive", "log", noon + seconds(1));
  write_cursor("totals", "old", noon + seconds(2));
  total = must(read_increment(harness.session(), "default", key, "log"));
  EXPECT_EQ(total->complete_through, noon);
  EXPECT_FALSE(must(read_increment(harness.session(), "other", key, "log")));
  EXPECT_EQ(read_increment(harness.session(), "default", "1111", "log").error().code(), Errc::kInvalidArgument);
}

TEST(Uniques, are_pruned_when_no_event_can_ask_for_them_any_more) {
  FoldHarness harness;
  harness.arrive_at("2024-01-31T22:30:00Z");
  harness.define({meter("u", "UNIQUE_COUNT", "$.n", kAllWindows)});
  harness.events({R"(- a {"n":"x"})"});
  harness.fold();
  EXPECT_EQ(harness.count_rows("tidemark_uniques"), 4);
  const auto fold_one_at = [&](std::string_view time) {
    harness.arrive_at(time);
    harness.events({"- a {}"});  // No member of its own.
    harness.fold();
  };
  fold_one_at("2024-03-02T23:59:59Z");  // 31 days after the hour's end, and one hour of slack.
  EXPECT_EQ(harness.count_rows("tidemark_uniques"), 4);
  fold_one_at("2024-03-03T00:30:00Z");
  EXPECT_EQ(harness.one_text("SELECT group_concat(window_size) FROM tidemark_uniques"), "DAY,MONTH,TOTAL");
  fold_one_at("2024-03-03T01:01:00Z");
  EXPECT_EQ(harness.one_text("SELECT group_concat(window_size) FROM tidemark_uniques"), "TOTAL");
  EXPECT_EQ(harness.totals().size(), 4u) << "the totals themselves stay";
}

TEST(Uniques, are_kept_while_the_clock_is_doubted_or_the_flow_is_behind) {
  FoldHarness harness;
  harness.arrive_at("2024-01-01T00:00:00Z");
  harness.define({meter("u", "UNIQUE_COUNT", "$.n", {"HOUR"})});
  harness.events({R"(- a {"n":"x"})"});
  harness.fold();
  const auto fold_one_at = [&](std::string_view time) {
    harness.arrive_at(time);
    harness.events({"- a {}"});
    harness.fold();
    return harness.count_rows("tidemark_uniques");
  };
  harness.trust("2024-02-01T01:30:00Z");
  EXPECT_EQ(fold_one_at("2024-06-01T00:00:00Z"), 1) << "stamps stay ahead after a clock that was wrong is set back";
  harness.trust("2024-06-01T00:00:00Z");
  harness.fall_behind(std::chrono::minutes(61));
  EXPECT_EQ(fold_one_at("2024-06-01T01:00:00Z"), 1) << "what is still to be folded was accepted earlier";
  harness.fall_behind({});
  EXPECT_EQ(fold_one_at("2024-06-01T02:00:00Z"), 0);
}

TEST(Uniques, are_pruned_in_bounded_batches) {
  FoldHarness harness;
  harness.arrive_at("2024-01-01T00:00:00Z");
  harness.define({meter("u", "UNIQUE_COUNT", "$.n", {"HOUR"})});
  std::vector<std::string> lines;
  for (int i = 0; i < 12'000; ++i) lines.push_back("- a {\"n\":" + std::to_string(i) + "}");
  harness.events(lines);
  harness.fold();
  for (const std::int64_t left : {7'000, 2'000, 0}) {
    harness.arrive_at("2024-06-01T00:00:00Z");
    harness.events({"- a {}"});
    harness.fold();
    EXPECT_EQ(harness.count_rows("tidemark_uniques"), left);
  }
}

TEST(Totals, what_cannot_be_read_is_dead_and_the_rest_goes_on) {
  std::string good;
  arrivals::Event event;
  event.id = event.source = event.subject = "s";
  event.type = "use";
  arrivals::encode_event(good, event);
  std::string hollow = good;  // Its length is right, what it holds is not.
  std::fill(hollow.begin() + 4, hollow.end(), '\xff');
  std::string payload;
  arrivals::encode_record_head(payload, "acme", 5);
  payload += good + hollow + good + "\xff\xff";
  for (const std::size_t items : {1u, 2u, 3u, 10u}) {
    FoldHarness harness;
    harness.define({meter("m", "COUNT")});
    harness.raw(log::RecordKind::kEvents, payload);
    harness.raw(log::RecordKind::kEvents, "\x7f");
    harness.events({"- a"});
    harness.fold(items);
    EXPECT_THAT(harness.totals(), ElementsAre("m s TOTAL value=2 events=2", "m a TOTAL value=1 events=1")) << items;
    EXPECT_THAT(harness.dead(),
                ElementsAre("1.1 acme corrupt: the item can't be read",
                            "1.3 acme corrupt: the item can't be read, nor those after it in the record",
                            "2.0 default corrupt: the record's head can't be read"))
        << items;
  }
}

TEST(Totals, nothing_is_folded_past_definitions_of_a_newer_version) {
  FoldHarness harness;
  harness.define({meter("m", "COUNT")});
  harness.raw(log::RecordKind::kDefinitions, R"({"version":99})");
  harness.events({"- a"});
  EXPECT_THROW(harness.fold(), std::runtime_error);
  EXPECT_THAT(harness.totals(), IsEmpty());
  const auto begun =
      harness.fold_object().begin({{log::RecordKind::kDefinitions, R"({"version":99})"}}, flow::Care::kFast);
  EXPECT_EQ(begun.error().code(), Errc::kRefused);
}

TEST(Totals, migrates_again_and_again) {
  FoldHarness harness;
  harness.define({meter("m", "COUNT")});
  harness.events({"- a"});
  harness.fold();
  must(harness.fold_object().migrate(harness.session()));
  EXPECT_THAT(harness.totals(), SizeIs(1));
}

TEST(Totals, pending_rows_bound_what_is_written) {
  FoldHarness harness;
  harness.define({meter("m", "SUM", "$.n", kAllWindows), meter("u", "UNIQUE_COUNT", "$.n", {"TOTAL"})});
  harness.events({R"(- a {"n":1})", R"(- b {"n":1})", R"(- b {"n":2})", "- c {}"});
  harness.increments({"1 1", "2 1"});
  TotalsFold& fold = harness.fold_object();
  for (const flow::Care care : {flow::Care::kFast, flow::Care::kExact}) {
    must(fold.begin({{log::RecordKind::kDefinitions, std::string(as_text(harness.record(0).payload))}}, care));
    EXPECT_EQ(fold.pending_rows(), 0u);
    fold.add(harness.record(1), 0, 4);
    EXPECT_GE(fold.pending_rows(), 2 * 4 + 2 + 3 + 1u);
    fold.add(harness.record(2), 0, 2);
    EXPECT_GE(fold.pending_rows(), 2 * 4 + 2 + 3 + 1 + 2u);
    EXPECT_LE(fold.pending_rows(), 20u);
  }
}

TEST(Describe, writes_events_and_increments_as_they_were_sent) {
  FoldHarness harness;
  std::string payload;
  arrivals::encode_record_head(payload, "acme", 1);
  arrivals::Event event;
  event.id = "i\"1";
  event.source = "src";
  event.type = "t";
  event.subject = "s";
  event.time = must(parse_rfc3339("2024-03-01T01:02:03.5+01:00"));
  event.data = R"({"a": 1})";
  event.extensions = R"({"traceparent":"x"})";
  arrivals::encode_event(payload, event);
  harness.raw(log::RecordKind::kEvents, payload);
  harness.increments({"1 5", "2 6"});
  const flow::DeadLetter letter = harness.fold_object().describe(harness.record(0), 0);
  EXPECT_EQ(letter.payload, R"({"specversion":"1.0","id":"i\"1","source":"src","type":"t","subject":"s",)"
                            R"("time":"2024-03-01T00:02:03.500000Z","traceparent":"x","data":{"a": 1}})");
  EXPECT_EQ(letter.tenant, "acme");
  EXPECT_EQ(letter.position, (log::Position{0, 0}));
  EXPECT_EQ(harness.fold_object().describe(harness.record(1), 1).payload,
            R"({"key":"22222222-2222-2222-2222-222222222222","value":6})");
}

TEST(Describe, cuts_long_events_between_characters) {
  FoldHarness harness;
  harness.events({R"(- a {"n":")" + std::string(64u << 10, 'x') + "\xc3\xa4\"}"});
  EXPECT_EQ(harness.fold_object().describe(harness.record(0), 0).payload.size(), 64u << 10);
  std::string text;
  for (int i = 0; i < 40'000; ++i) text += "\xc3\xa4";
  harness.events({R"(- ab {"n":")" + text + "\"}"});
  harness.events({R"(- abc {"n":")" + text + "\"}"});
  for (const std::size_t record : {1u, 2u}) {
    const std::string payload = harness.fold_object().describe(harness.record(record), 0).payload;
    EXPECT_LE(payload.size(), 64u << 10);
    EXPECT_TRUE(is_storable_text(payload));
  }
}

}  // namespace
}  // namespace tidemark::meters
