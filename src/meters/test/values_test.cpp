#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data_reader.hpp"
#include "fold_harness.hpp"
#include "number.hpp"
#include "sampler.hpp"
#include "text_table.hpp"
#include "tidemark/base/bytes.hpp"
#include "tidemark/base/testing/must.hpp"

namespace tidemark::meters {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// `KIND:TEXT` for each path.
std::vector<std::string> look_up(const std::vector<std::string>& paths, std::string_view data) {
  constexpr const char* kKinds[] = {"missing", "null", "text:", "number:", "bool:", "container", "broken"};
  PathTree tree;
  std::vector<std::uint32_t> slots;
  for (const std::string& path : paths) slots.push_back(tree.add(must(parse_json_path(path))));
  DataReader reader;
  const auto& found = reader.read(tree, data);
  std::vector<std::string> answers;
  for (const std::uint32_t slot : slots) {
    answers.push_back(kKinds[static_cast<int>(found[slot].kind)] + std::string(found[slot].text));
  }
  return answers;
}

TEST(DataReader, finds_each_kind_of_value) {
  EXPECT_THAT(look_up({"$.t", "$.n", "$.b", "$.z", "$.o", "$.a", "$.gone"},
                      R"({"t":"x","n":-1.50e2 ,"b":true,"z":null,"o":{},"a":[]})"),
              ElementsAre("text:x", "number:-1.50e2", "bool:true", "null", "container", "container", "missing"));
}

TEST(DataReader, walks_into_objects_and_arrays_once_for_all_paths) {
  EXPECT_THAT(look_up({"$.a.b", "$.a.c[1]", "$.a", "$.a.c[1].d", "$.x[0][1]"},
                      R"({"q":[{"a":1}],"a":{"c":[0,{"d":7}],"b":"B"},"x":[[1,2]]})"),
              ElementsAre("text:B", "container", "container", "number:7", "number:2"));
}

TEST(DataReader, unescapes_names_and_texts) {
  EXPECT_THAT(look_up({"$.tokens", "$['a\"b']"}, R"({"t\u006fkens":"\u00e4\n\ud83d\ude00","a\"b":1})"),
              ElementsAre("text:\xc3\xa4\n\xf0\x9f\x98\x80", "number:1"));
}

TEST(DataReader, the_last_of_a_repeated_name_counts_as_a_whole) {
  EXPECT_THAT(look_up({"$.a.b", "$.a.c"}, R"({"a":{"b":1,"c":2},"a":{"b":3}})"), ElementsAre("number:3", "missing"));
  EXPECT_THAT(look_up({"$.a.b"}, R"({"a":{"b":1},"a":5})"), ElementsAre("missing"));
}

TEST(DataReader, a_value_broken_in_itself_leaves_the_others) {
  EXPECT_THAT(look_up({"$.a", "$.b", "$.z", "$.c"}, R"({"a":"\ud800","\ud800":1,"b":tru,"z":nul,"c":3})"),
              ElementsAre("broken", "broken", "broken", "number:3"));
}

TEST(DataReader, what_is_no_object_has_nothing) {
  for (const char* data : {"", "[1]", "1", "\"a\"", "null", "{", "{\"a\":1", "{\"a\"}", "\xff"}) {
    EXPECT_THAT(look_up({"$.a"}, data), ElementsAre("missing")) << data;
  }
}

TEST(DataReader, takes_data_larger_than_its_buffer) {
  const std::string data = R"({"pad":")" + std::string(100'000, 'x') + R"(","a":1})";
  EXPECT_THAT(look_up({"$.a"}, data), ElementsAre("number:1"));
}

TEST(Numbers, as_tokens_are_read_exactly) {
  const std::pair<const char*, const char*> rows[] = {
      {"0", "0"},
      {"-0", "0"},
      {"7", "7"},
      {"-12.5", "-12.5"},
      {"0.1", "0.1"},
      {"999999999999999", "999999999999999"},
      {"0.000000000001", "0.000000000001"},
      {"-999999999999999.999999999999", "-999999999999999.999999999999"},
      {"1e3", "1000"},
      {"1.5E-3", "0.0015"},
      {"1.0000000000000000", "1"},
      {"100e-2", "1"}};
  for (const auto& [token, number] : rows) EXPECT_EQ(must(parse_number(token)).to_string(), number) << token;
}

TEST(Numbers, out_of_bounds_or_form_are_refused) {
  for (const char* bad : {"",
                          "-",
                          "+1",
                          ".5",
                          "5.",
                          "01",
                          "1000000000000000",
                          "0.0000000000001",
                          "1e15",
                          "1e-13",
                          "1e",
                          "NaN",
                          "Infinity",
                          "0x10",
                          "1_000",
                          " 1",
                          "1 ",
                          "1,5",
                          "--1",
                          "1.2.3",
                          "1e99999999999999999999"}) {
    EXPECT_FALSE(parse_number(bad)) << bad;
  }
}

TEST(Numbers, sent_as_strings_have_a_few_more_forms) {
  const std::pair<const char*, const char*> good[] = {{"42", "42"},     {"+42", "42"},  {"007.50", "7.5"},
                                                      {".5", "0.5"},    {"5.", "5"},    {"-.5", "-0.5"},
                                                      {"+1e3", "1000"}, {"5.e1", "50"}, {"00", "0"}};
  for (const auto& [text, number] : good) EXPECT_EQ(must(parse_number_text(text)).to_string(), number) << text;
  for (const char* bad : {"", " 1", "1 ", "+-1", "-+1", "++1", ".", "-.", ".e1", "NaN", "inf", "-Infinity", "0x10",
                          "1_000", "1,5", "abc", "1.2.3", "\t1"}) {
    EXPECT_FALSE(parse_number_text(bad)) << bad;
  }
  EXPECT_FALSE(parse_number_text(std::string(1000, '0')));
}

TEST(TextHash, is_blake2b_128_for_ever) {
  EXPECT_EQ(to_hex(text_hash("")), "cae66941d9efbd404e4d88758ea67670");
  EXPECT_EQ(to_hex(text_hash("{}")), "2afb9b83f9314e5d029766197f539792");
}

/// The samples of one event as `METER VALUE MEMBER GROUPS` or `METER: PROBLEM`.
std::vector<std::string> samples_of(const std::vector<DefinitionSource>& sources, std::string_view data) {
  std::vector<std::string> problems;
  const MeterSet meters(must(make_definitions(sources, problems)));
  Sampler sampler;
  std::vector<std::string> lines;
  for (const Sample& sample : sampler.sample(meters, "use", data)) {
    const std::string& slug = meters.meters()[sample.meter].definition.slug;
    lines.push_back(sample.problem.empty() ? slug + " " + sample.value.to_string() + " " + std::string(sample.member) +
                                                 " " + std::string(sample.group_values)
                                           : slug + ": " + sample.problem);
  }
  return lines;
}

DefinitionSource grouped(std::map<std::string, std::string> groups) {
  DefinitionSource source = meter("m", "COUNT");
  source.group_by = std::move(groups);
  return source;
}

TEST(Sampler, other_types_of_events_are_nobodys) {
  DefinitionSource other = meter("m", "COUNT");
  other.event_type = "other";
  EXPECT_THAT(samples_of({other}, "{}"), IsEmpty());
}

TEST(Sampler, count_needs_no_data) {
  EXPECT_THAT(samples_of({meter("m", "COUNT")}, ""), ElementsAre("m 1  {}"));
}

TEST(Sampler, values_that_are_no_numbers_are_told_with_their_place) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "m: $.n is missing; send a number"},
      {"{}", "m: $.n is missing; send a number"},
      {R"({"n":null})", "m: $.n is null; send a number"},
      {R"({"n":true})", "m: $.n is a boolean; send a number"},
      {R"({"n":[1]})", "m: $.n is an object or an array; send a number"},
      {R"({"n":{"n":1}})", "m: $.n is an object or an array; send a number"},
      {R"({"n":"many"})",
       "m: $.n is a string that isn't a number; not a decimal number; write digits with an optional "
       "sign, fraction and exponent"},
      {R"({"n":"NaN"})",
       "m: $.n is a string that isn't a number; not a decimal number; write digits with an optional "
       "sign, fraction and exponent"},
      {R"({"n":1e15})", "m: $.n is a number out of bounds; number has more integer digits than 15"},
      {R"({"n":0.0000000000001})", "m: $.n is a number out of bounds; number has more fractional digits than 12"},
      {R"({"n":tru})", "m: $.n isn't valid JSON; send a number"},
  };
  for (const auto& [data, problem] : rows)
    EXPECT_THAT(samples_of({meter("m", "SUM")}, data), ElementsAre(problem)) << data;
}

TEST(Sampler, one_meters_problem_leaves_the_others) {
  EXPECT_THAT(samples_of({meter("a", "SUM", "$.x"), meter("b", "SUM", "$.y"), meter("c", "COUNT")}, R"({"y":"2.5"})"),
              ElementsAre("a: $.x is missing; send a number", "b 2.5  {}", "c 1  {}"));
}

TEST(Sampler, unique_members_are_texts) {
  const auto members = [](const char* data) { return samples_of({meter("m", "UNIQUE_COUNT")}, data).at(0); };
  EXPECT_EQ(members(R"({"n":"a b"})"), "m 1 a b {}");
  EXPECT_EQ(members(R"({"n":""})"), "m 1  {}");
  EXPECT_EQ(members(R"({"n":1.50})"), "m 1 1.50 {}");
  EXPECT_EQ(members(R"({"n":false})"), "m 1 false {}");
  EXPECT_THAT(members(R"({"n":null})"), HasSubstr("$.n is null; send a string"));
  EXPECT_THAT(members(R"({"n":[]})"), HasSubstr("is an object or an array"));
  EXPECT_THAT(members("{}"), HasSubstr("is missing"));
}

TEST(Sampler, groups_are_texts_sorted_by_name) {
  EXPECT_THAT(samples_of({grouped({{"b", "$.b"}, {"A", "$.a"}, {"c", "$.c"}, {"d", "$.d"}, {"e", "$.e"}})},
                         R"({"a":"x\"\\\u0001\n","b":2.50,"c":true,"d":{"x":1},"e":null})"),
              ElementsAre(R"(m 1  {"A":"x\"\\\u0001\n","b":"2.50","c":"true","d":"","e":""})"));
  EXPECT_THAT(samples_of({grouped({{"a", "$.gone"}})}, "{}"), ElementsAre(R"(m 1  {"a":""})"));
}

TEST(Sampler, group_values_end_at_1024_bytes) {
  const std::size_t frame = std::string(R"({"a":""})").size();
  const auto data = [](std::size_t size) { return R"({"a":")" + std::string(size, 'x') + R"("})"; };
  EXPECT_THAT(samples_of({grouped({{"a", "$.a"}})}, data(1024 - frame)).at(0), HasSubstr("m 1"));
  EXPECT_EQ(samples_of({grouped({{"a", "$.a"}})}, data(1025 - frame)).at(0),
            "m: the groupBy values are longer than 1024 bytes; shorten them");
}

TEST(Sampler, group_values_hold_no_nul) {
  EXPECT_EQ(samples_of({grouped({{"a", "$.a"}})}, R"({"a":"x\u0000y"})").at(0),
            "m: a groupBy value holds U+0000; leave it out");
}

}  // namespace
}  // namespace tidemark::meters
