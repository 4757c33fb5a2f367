#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fold_harness.hpp"
#include "json_path.hpp"
#include "tidemark/base/testing/must.hpp"

namespace tidemark::meters {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> problems_of(const std::vector<DefinitionSource>& sources) {
  std::vector<std::string> problems;
  const auto made = make_definitions(sources, problems);
  EXPECT_EQ(made.has_value(), problems.empty());
  return problems;
}

TEST(Definitions, default_to_all_windows_sorted) {
  std::vector<std::string> problems;
  const auto made = must(make_definitions({meter("a", "SUM", "$.n", {})}, problems));
  EXPECT_THAT(made.at(0).windows,
              ElementsAre(WindowSize::kTotal, WindowSize::kHour, WindowSize::kDay, WindowSize::kMonth));
}

TEST(Definitions, count_ignores_its_value_property) {
  std::vector<std::string> problems;
  EXPECT_EQ(must(make_definitions({meter("a", "COUNT", "not a path")}, problems)).at(0).value_property, "");
}

TEST(Definitions, slugs_are_words_joined_by_single_underscores) {
  for (const char* good : {"a", "api_calls", "v2_tokens", "0"})
    EXPECT_THAT(problems_of({meter(good, "SUM")}), IsEmpty()) << good;
  EXPECT_THAT(problems_of({meter(std::string(64, 'a'), "SUM")}), IsEmpty());
  for (const char* bad : {"", "_a", "a_", "a__b", "A", "a-b", "a b", "\xc3\xa4"}) {
    EXPECT_THAT(problems_of({meter(bad, "SUM")}), SizeIs(1)) << bad;
  }
  EXPECT_THAT(problems_of({meter(std::string(65, 'a'), "SUM")}), SizeIs(1));
}

TEST(Definitions, every_problem_is_named_with_its_place_and_remedy) {
  DefinitionSource source = meter("Api", "TOTAL", "");
  source.where = "tidemark.yaml:7";
  source.event_type = "";
  source.group_by = {{"subject", "$.s"}, {"9lives", "$.x"}, {"path", "a.b"}};
  source.windows = {"HOUR", "WEEK", "HOUR"};
  EXPECT_THAT(
      problems_of({source}),
      ElementsAre("tidemark.yaml:7: meter Api: slug must be 1 to 64 lower-case letters and digits, words joined "
                  "by single underscores",
                  HasSubstr("eventType is missing"), HasSubstr("aggregation must be one of COUNT, SUM"),
                  HasSubstr("groupBy.9lives must be named by"),
                  HasSubstr("groupBy.path doesn't begin with $; write it as $.a.b"),
                  HasSubstr("groupBy.subject is a reserved name"), HasSubstr("unknown: WEEK"),
                  HasSubstr("windows names a size twice")));
}

TEST(Definitions, all_but_count_need_a_value_property) {
  for (const char* aggregation : {"SUM", "MIN", "MAX", "AVG", "LATEST", "UNIQUE_COUNT"}) {
    EXPECT_THAT(problems_of({meter("a", aggregation, "")}), ElementsAre(HasSubstr("valueProperty is missing")))
        << aggregation;
  }
}

TEST(Definitions, a_slug_used_twice_names_both_places) {
  DefinitionSource second = meter("a", "COUNT");
  second.where = "other";
  EXPECT_THAT(problems_of({meter("a", "SUM"), second}),
              ElementsAre("other: meter a: slug is used twice; rename one; first at test"));
}

TEST(Definitions, come_back_from_the_log_as_they_were) {
  std::vector<std::string> problems;
  DefinitionSource grouped = meter("b", "UNIQUE_COUNT", "$['a b'].c[3]", {"MONTH", "TOTAL"});
  grouped.group_by = {{"region", "$.region"}, {"Plan", "$.plan"}};
  const auto made = must(make_definitions({grouped, meter("a", "COUNT")}, problems));
  const std::string encoded = encode_definitions(made);
  EXPECT_EQ(encoded,
            R"({"version":1,"meters":[{"slug":"a","eventType":"use","aggregation":"COUNT","windows":["TOTAL"]},)"
            R"({"slug":"b","eventType":"use","aggregation":"UNIQUE_COUNT","valueProperty":"$['a b'].c[3]",)"
            R"("groupBy":{"Plan":"$.plan","region":"$.region"},"windows":["TOTAL","MONTH"]}]})");
  EXPECT_EQ(encode_definitions(must(decode_definitions(encoded))), encoded);
}

TEST(Definitions, of_none_come_back_empty) {
  EXPECT_THAT(must(decode_definitions(encode_definitions({}))), IsEmpty());
}

TEST(Definitions, that_cannot_be_read_are_refused) {
  EXPECT_EQ(decode_definitions(R"({"version":2,"meters":[]})").error().code(), Errc::kUnsupported);
  for (
      const char* broken :
      {"", "[]", "{", R"({"version":1})", R"({"version":1,"meters":{}})", R"({"version":1,"meters":[1]})",
       R"({"version":1,"meters":[{"slug":"a"}]})",
       R"({"version":1,"meters":[{"slug":"a","eventType":"t","aggregation":"SUM","valueProperty":7,"windows":["DAY"]}]})"}) {
    EXPECT_FALSE(decode_definitions(broken)) << broken;
  }
}

Definition sum_of_tokens() {
  return {"tokens", "prompt", Aggregation::kSum, "$.tokens", {}, {WindowSize::kTotal, WindowSize::kDay}};
}

TEST(RefusedChanges, are_those_that_would_mix_what_the_rows_are_made_of) {
  Definition changed = sum_of_tokens();
  changed.event_type = "call";
  changed.aggregation = Aggregation::kCount;
  changed.value_property.clear();
  changed.windows = {WindowSize::kTotal, WindowSize::kHour, WindowSize::kMonth};
  EXPECT_THAT(
      refused_changes({sum_of_tokens()}, {changed}),
      ElementsAre("meter tokens: eventType was prompt and is call", "meter tokens: aggregation was SUM and is COUNT",
                  "meter tokens: valueProperty was $.tokens and is nothing", "meter tokens: windows didn't have HOUR",
                  "meter tokens: windows didn't have MONTH"));
}

TEST(RefusedChanges, are_not_those_that_keep_every_row_right) {
  Definition grouped = sum_of_tokens();
  grouped.group_by = {{"model", "$.model"}};
  grouped.windows = {WindowSize::kDay};
  Definition other = sum_of_tokens();
  other.slug = "other";
  other.aggregation = Aggregation::kMax;
  EXPECT_THAT(refused_changes({sum_of_tokens()}, {sum_of_tokens()}), IsEmpty());
  EXPECT_THAT(refused_changes({sum_of_tokens()}, {grouped}), IsEmpty());
  EXPECT_THAT(refused_changes({sum_of_tokens()}, {other}), IsEmpty()) << "one taken out, one added";
  EXPECT_THAT(refused_changes({}, {sum_of_tokens()}), IsEmpty());
}

TEST(JsonPath, reads_names_indexes_and_quoted_names) {
  EXPECT_THAT(must(parse_json_path("$.a.b_2")), ElementsAre(PathStep("a"), PathStep("b_2")));
  EXPECT_THAT(must(parse_json_path("$.a[0][12]")), ElementsAre(PathStep("a"), PathStep(0u), PathStep(12u)));
  EXPECT_THAT(must(parse_json_path("$['a b'][\"c'd\"]")), ElementsAre(PathStep("a b"), PathStep("c'd")));
  EXPECT_THAT(must(parse_json_path(R"($['a\'b\\c'])")), ElementsAre(PathStep("a'b\\c")));
  EXPECT_THAT(must(parse_json_path("$.my-key.\xc3\xa4")), ElementsAre(PathStep("my-key"), PathStep("\xc3\xa4")));
}

TEST(JsonPath, refuses_what_names_more_or_less_than_one_place) {
  for (const char* bad :
       {"",           "$",     "a",    "$a",     "$.",        "$..a",  "$.a.",   "$.*",    "$[*]",  "$[-1]", "$[0",
        "$[1000001]", "$['a'", "$['a", "$['a\\", "$[?(@.a)]", "$.a b", "$[0,1]", "$[0:2]", "$.a[]", "$.a'b'"}) {
    EXPECT_FALSE(parse_json_path(bad)) << bad;
  }
  EXPECT_FALSE(parse_json_path("$." + std::string(600, 'a')));
  std::string deep = "$";
  for (int i = 0; i < 17; ++i) deep += ".a";
  EXPECT_FALSE(parse_json_path(deep));
}

struct WindowRow {
  const char* time;
  const char* hour;
  const char* day;
  const char* month;
};

TEST(Windows, begin_at_or_before_the_time_they_hold) {
  const WindowRow rows[] = {
      {"2024-02-29T23:59:59.999999Z", "2024-02-29T23:00:00Z", "2024-02-29T00:00:00Z", "2024-02-01T00:00:00Z"},
      {"2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z"},
      {"2023-02-28T23:59:59Z", "2023-02-28T23:00:00Z", "2023-02-28T00:00:00Z", "2023-02-01T00:00:00Z"},
      {"2024-12-31T23:59:59Z", "2024-12-31T23:00:00Z", "2024-12-31T00:00:00Z", "2024-12-01T00:00:00Z"},
      {"1900-02-28T12:00:00Z", "1900-02-28T12:00:00Z", "1900-02-28T00:00:00Z", "1900-02-01T00:00:00Z"},
      {"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
      {"1969-12-31T23:59:59.999999Z", "1969-12-31T23:00:00Z", "1969-12-31T00:00:00Z", "1969-12-01T00:00:00Z"},
      {"0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"},
      {"9999-12-31T23:59:59.999999Z", "9999-12-31T23:00:00Z", "9999-12-31T00:00:00Z", "9999-12-01T00:00:00Z"},
  };
  for (const WindowRow& row : rows) {
    const Timestamp time = must(parse_rfc3339(row.time));
    EXPECT_EQ(format_rfc3339(window_start(WindowSize::kHour, time)), row.hour);
    EXPECT_EQ(format_rfc3339(window_start(WindowSize::kDay, time)), row.day);
    EXPECT_EQ(format_rfc3339(window_start(WindowSize::kMonth, time)), row.month);
    EXPECT_EQ(format_rfc3339(window_start(WindowSize::kTotal, time)), "1970-01-01T00:00:00Z");
  }
}

}  // namespace
}  // namespace tidemark::meters
