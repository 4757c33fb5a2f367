#include "tidemark/config/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "setting_table.hpp"

namespace tidemark::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

Sources file(std::string text) {
  return {"tidemark.yaml", std::move(text), {}, {}, {}};
}

/// The settings of sources that are in order.
Loaded loaded(const Sources& sources) {
  auto result = load(sources);
  if (result) return *std::move(result);
  for (const Problem& problem : result.error()) ADD_FAILURE() << problem.to_string();
  return {};
}

std::vector<std::string> problems_of(const Sources& sources) {
  const auto result = load(sources);
  std::vector<std::string> texts;
  if (!result) {
    for (const Problem& problem : result.error()) texts.push_back(problem.to_string());
  }
  return texts;
}

TEST(Load, without_any_source_all_is_at_its_default) {
  const Settings settings = loaded({}).settings;
  EXPECT_EQ(settings.data, "./data");
  EXPECT_EQ(settings.listen, (Address{"127.0.0.1", 8080}));
  EXPECT_EQ(settings.database, "");
  EXPECT_EQ(settings.database_url(), "sqlite:./data/tidemark.db");
  EXPECT_EQ(settings.identity_window, std::chrono::days(32));
  EXPECT_EQ(settings.max_event_age, std::chrono::days(31));
  EXPECT_EQ(settings.max_future_skew, std::chrono::minutes(5));
  EXPECT_EQ(settings.flush_interval, seconds(1));
  EXPECT_EQ(settings.max_body_bytes, 8U << 20U);
  EXPECT_EQ(settings.backlog_max_bytes, std::uint64_t{16} << 30U);
  EXPECT_EQ(settings.disk_reserve_bytes, std::uint64_t{1} << 30U);
  EXPECT_EQ(settings.log_retention, std::chrono::hours(24));
  EXPECT_EQ(settings.log_segment_bytes, 64U << 20U);
  EXPECT_EQ(settings.keyset_memory_bytes, 256U << 20U);
  EXPECT_EQ(settings.stall_timeout, seconds(60));
  EXPECT_EQ(settings.shutdown_timeout, seconds(20));
  EXPECT_EQ(settings.statement_timeout, seconds(30));
  EXPECT_EQ(settings.lock_timeout, seconds(10));
  EXPECT_EQ(settings.connect_timeout, seconds(5));
  EXPECT_EQ(settings.io_threads, 1);
  EXPECT_EQ(settings.max_connections, 10'000);
  EXPECT_EQ(settings.log_level, logging::Level::kInfo);
  EXPECT_EQ(settings.log_format, logging::Format::kText);
  EXPECT_TRUE(settings.meters.empty());
}

TEST(Load, flag_stands_over_environment_over_file_over_default) {
  Sources sources = file("flush_interval: 2s\nstall_timeout: 2s\nlock_timeout: 2s\n");
  sources.environment = {{"TIDEMARK_FLUSH_INTERVAL", "3s"}, {"TIDEMARK_STALL_TIMEOUT", "3s"}};
  sources.arguments = {"--flush-interval", "4s"};
  const Loaded result = loaded(sources);
  EXPECT_EQ(result.settings.flush_interval, seconds(4));
  EXPECT_EQ(result.settings.stall_timeout, seconds(3));
  EXPECT_EQ(result.settings.lock_timeout, seconds(2));
  EXPECT_EQ(result.settings.connect_timeout, seconds(5));
  EXPECT_THAT(result.origins,
              ElementsAre(std::pair("flush_interval", "--flush-interval"), std::pair("lock_timeout", "tidemark.yaml:3"),
                          std::pair("stall_timeout", "TIDEMARK_STALL_TIMEOUT")));
}

TEST(Load, every_setting_is_taken_from_each_source) {
  for (const Setting& setting : setting_table()) {
    const std::string value = setting.fallback.empty() ? "sqlite:x" : std::string(setting.fallback);
    if (setting.key == "database_schema" || setting.key == "database_role")
      continue;  // Takes no such text, and its default is empty.
    Sources sources;
    sources.arguments = {flag_of(setting.key) + "=" + value};
    if (!std::holds_alternative<SecretType>(setting.type)) {
      EXPECT_EQ(loaded(sources).origins.count(setting.key), 1U) << setting.key;
    }
    EXPECT_EQ(loaded(file(std::string(setting.key) + ": '" + value + "'")).origins.count(setting.key), 1U);
    sources = {};
    sources.environment = {{variable_of(setting.key), value}};
    EXPECT_EQ(loaded(sources).origins.count(setting.key), 1U) << setting.key;
  }
}

TEST(Load, values_of_every_type_are_read) {
  const Settings settings = loaded(file("listen: '[::1]:0'\n"
                                        "database: postgres://u@h/d\n"
                                        "database_schema: usage_2\n"
                                        "max_body_bytes: 16 MiB\n"
                                        "log_retention: 0s\n"
                                        "io_threads: 4\n"
                                        "log_level: warning\n"
                                        "log_format: json\n"))
                                .settings;
  EXPECT_EQ(settings.listen, (Address{"::1", 0}));
  EXPECT_EQ(settings.database_url(), "postgres://u@h/d");
  EXPECT_EQ(settings.database_schema, "usage_2");
  EXPECT_EQ(settings.max_body_bytes, 16U << 20U);
  EXPECT_EQ(settings.log_retention, seconds(0));
  EXPECT_EQ(settings.io_threads, 4);
  EXPECT_EQ(settings.log_level, logging::Level::kWarning);
  EXPECT_EQ(settings.log_format, logging::Format::kJson);
}

struct ValueProblemCase {
  const char* key;
  const char* value;
  const char* problem;
};
class ValueProblem : public ::testing::TestWithParam<ValueProblemCase> {};

TEST_P(ValueProblem, names_source_key_fault_and_remedy) {
  const auto& [key, value, problem] = GetParam();
  const std::string text = std::string(key) + ": " + problem;
  EXPECT_THAT(problems_of(file("# first line\n" + std::string(key) + ": '" + value + "'\n")),
              ElementsAre("tidemark.yaml:2: " + text));
  Sources sources;
  sources.arguments = {flag_of(key) + "=" + value};
  EXPECT_THAT(problems_of(sources), ElementsAre(flag_of(key) + ": " + text));
}

INSTANTIATE_TEST_SUITE_P(
    All, ValueProblem,
    ::testing::Values(
        ValueProblemCase{
            "flush_interval", "5",
            "'5' isn't a duration; write whole numbers with a unit of us, ms, s, m, h, d or w, such as 90s or 1h30m"},
        ValueProblemCase{"flush_interval", "11s", "'11s' is out of range; allowed is 10ms to 10s"},
        ValueProblemCase{"flush_interval", "9ms", "'9ms' is out of range; allowed is 10ms to 10s"},
        ValueProblemCase{
            "max_body_bytes", "8 MB",
            "'8 MB' isn't a size; write a whole number with a unit of B, KiB, MiB, GiB or TiB, such as 8 MiB"},
        ValueProblemCase{"max_body_bytes", "2 GiB", "'2 GiB' is out of range; allowed is 1 KiB to 1 GiB"},
        ValueProblemCase{"log_segment_bytes", "65537",
                         "'65537' isn't a multiple of 4 KiB; allowed is 64 KiB to 1 GiB in steps of 4 KiB"},
        ValueProblemCase{"io_threads", "0", "'0' is out of range; allowed is 1 to 64"},
        ValueProblemCase{"io_threads", "18446744073709551615",
                         "'18446744073709551615' is out of range; allowed is 1 to 64"},
        ValueProblemCase{"io_threads", "two", "'two' isn't a whole number; write digits alone"},
        ValueProblemCase{"listen", "8080",
                         "'8080' isn't an address; write HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"},
        ValueProblemCase{"log_level", "warn", "'warn' isn't known; write one of debug, info, warning, error"},
        ValueProblemCase{"log_format", "xml", "'xml' isn't known; write one of text, json"},
        ValueProblemCase{"data", "", "is empty; write a path"},
        ValueProblemCase{
            "database_schema", "a; DROP",
            "'a; DROP' isn't a plain name; write up to 63 letters, digits and underscores, no digit first"},
        ValueProblemCase{
            "database", "oracle://u:hunter2@h",
            "isn't the URL of a database; write sqlite:PATH, postgres://USER@HOST/NAME or mysql://USER@HOST/NAME"}));

TEST(Load, all_problems_of_all_sources_are_told_at_once) {
  Sources sources = file("flush_interval: 5\nlissten: 1\ndata: [a]\n");
  sources.environment = {{"TIDEMARK_IO_THREADS", "many"}};
  sources.arguments = {"--max-body-byte", "1", "--log-level", "loud"};
  EXPECT_THAT(problems_of(sources),
              ElementsAre(HasSubstr("tidemark.yaml:1: flush_interval: "),
                          "tidemark.yaml:2: lissten: isn't a setting; did you mean listen?",
                          "tidemark.yaml:3: data: takes a single value, and here is a list; allowed is path",
                          HasSubstr("TIDEMARK_IO_THREADS: io_threads: 'many' isn't a whole number"),
                          "--max-body-byte: isn't a flag; did you mean --max-body-bytes?",
                          HasSubstr("--log-level: log_level: 'loud'")));
}

TEST(Load, a_fault_in_the_file_is_told_even_where_a_flag_stands_over_it) {
  Sources sources = file("flush_interval: never\n");
  sources.arguments = {"--flush-interval=1s"};
  EXPECT_THAT(problems_of(sources), ElementsAre(HasSubstr("tidemark.yaml:1: flush_interval")));
}

TEST(Load, an_unknown_key_without_a_near_one_points_to_the_reference) {
  EXPECT_THAT(problems_of(file("colour: blue\n")),
              ElementsAre("tidemark.yaml:1: colour: isn't a setting; see docs/configuration.md for those that are"));
}

TEST(Load, a_setting_without_value_is_a_problem) {
  EXPECT_THAT(problems_of(file("listen:\n")),
              ElementsAre("tidemark.yaml:1: listen: takes a single value, and here is nothing; allowed is HOST:PORT"));
}

TEST(Load, misused_flags_are_problems) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--data"}, "--data: data: has no value; write --data VALUE; allowed is path"},
      {{"--data", "--listen", "h:1"}, "--data: data: has no value; write --data VALUE; allowed is path"},
      {{"--data", "a", "--data", "b"}, "--data: data: is given twice; keep one of the two"},
      {{"stray"}, "stray: isn't expected here; write settings as --NAME VALUE"},
      {{"--meters", "x"}, "--meters: isn't a flag; lists stand only in the file"},
      {{"--wrong=1"}, "--wrong: isn't a flag; see tidemark serve --help for those that are"},
  };
  for (const auto& [arguments, problem] : cases) {
    Sources sources;
    sources.arguments = arguments;
    EXPECT_THAT(problems_of(sources), ElementsAre(problem));
  }
}

TEST(Load, a_secret_is_taken_from_the_environment_and_never_shown) {
  Sources sources;
  sources.environment = {{"TIDEMARK_DATABASE_PASSWORD", "hunter2"}};
  const Loaded result = loaded(sources);
  EXPECT_EQ(result.settings.database_password, "hunter2");
  EXPECT_THAT(describe(result), HasSubstr("database_password: '***'  # TIDEMARK_DATABASE_PASSWORD\n"));
  EXPECT_THAT(describe(result), Not(HasSubstr("hunter")));
  EXPECT_THAT(describe(loaded({})), HasSubstr("database_password: ''  # default\n"));
  sources.environment = {{"TIDEMARK_DATABASE_PASSWORD", "hunter2\xff"}};
  EXPECT_THAT(problems_of(sources),
              ElementsAre("TIDEMARK_DATABASE_PASSWORD: database_password: isn't UTF-8 text; save it as UTF-8"));
}

TEST(Load, a_secret_is_no_flag) {
  Sources sources;
  sources.arguments = {"--database-password", "hunter2"};
  EXPECT_THAT(
      problems_of(sources),
      ElementsAre("--database-password: database_password: isn't taken as a flag: everybody on this machine can "
                  "see flags; set the variable TIDEMARK_DATABASE_PASSWORD"));
  for (const Flag& flag : flags()) EXPECT_NE(flag.name, "--database-password");
}

TEST(Load, further_checks_are_told_with_the_rest_and_see_what_could_be_read) {
  Sources sources = file(
      "flush_interval: never\n"
      "stall_timeout: 7s\n"
      "meters:\n"
      "  - {slug: a, eventType: b, aggregation: COUNT}\n"
      "  - {slug: c, eventType: d}\n");
  sources.further_checks = [](const Loaded& read) -> std::vector<Problem> {
    EXPECT_EQ(read.settings.flush_interval, seconds(1)) << "as if it weren't given";
    EXPECT_EQ(read.settings.stall_timeout, seconds(7));
    EXPECT_EQ(read.settings.meters.size(), 1U) << "the other one lacks its aggregation";
    return {{"", "", "meter a is odd; call it b", ""}};
  };
  EXPECT_THAT(problems_of(sources), ElementsAre(HasSubstr("flush_interval"), HasSubstr("aggregation: is missing"),
                                                "meter a is odd; call it b"));
  sources.file_text = "stall_timeout: 7s\nmeters: [{slug: a, eventType: b, aggregation: COUNT}]\n";
  sources.further_checks = [](const Loaded&) { return std::vector<Problem>{{"here", "key", "what", "remedy"}}; };
  EXPECT_THAT(problems_of(sources), ElementsAre("here: key: what; remedy"));
}

TEST(Load, an_unknown_variable_is_a_warning) {
  Sources sources;
  sources.environment = {{"TIDEMARK_FLUSH_INTERVALL", "1s"},
                         {"TIDEMARK_PORT_8080_TCP_ADDR", "10.0.0.1"},
                         {"PATH", "/bin"},
                         {"TIDEMARK_TOKEN", "secret"},
                         {"TIDEMARK_SERVER", "http://h"},
                         {"TIDEMARK_CRASH_AT", ""}};
  const Loaded result = loaded(sources);
  ASSERT_EQ(result.warnings.size(), 2U);
  EXPECT_EQ(result.warnings[0].to_string(),
            "TIDEMARK_FLUSH_INTERVALL: isn't a setting and is passed over; did you mean TIDEMARK_FLUSH_INTERVAL?");
  EXPECT_THAT(result.warnings[1].to_string(), HasSubstr("TIDEMARK_PORT_8080_TCP_ADDR"));
}

TEST(Load, an_empty_variable_counts_as_not_set) {
  Sources sources;
  sources.environment = {{"TIDEMARK_FLUSH_INTERVAL", ""}};
  EXPECT_EQ(loaded(sources).settings.flush_interval, seconds(1));
}

TEST(Load, an_identity_window_shorter_than_age_and_skew_is_refused_naming_all_three) {
  Sources sources = file("max_event_age: 40d\n");
  sources.arguments = {"--max-future-skew=1h"};
  EXPECT_THAT(
      problems_of(sources),
      ElementsAre("tidemark.yaml:1, --max-future-skew: identity_window: 32d is shorter than max_event_age (40d) + "
                  "max_future_skew (1h), so a late repeat would be counted twice; set identity_window to 961h or "
                  "more, or lower the other two"));
  EXPECT_TRUE(load(file("identity_window: 31d5m\n")));
  EXPECT_FALSE(load(file("identity_window: 44644m\n"))) << "one minute short";
}

TEST(Load, a_hundred_years_fit_both_windows) {
  EXPECT_TRUE(load(file("identity_window: 36501d\nmax_event_age: 36500d\n")));
}

TEST(Load, the_windows_are_not_compared_while_one_is_unreadable) {
  EXPECT_THAT(problems_of(file("identity_window: short\nmax_event_age: 40d\n")),
              ElementsAre(HasSubstr("'short' isn't a duration")));
}

TEST(Load, hostile_files_are_refused_with_one_clear_problem) {
  EXPECT_THAT(problems_of(file(std::string(kMaxFileBytes + 1, '#'))), ElementsAre(HasSubstr("larger than 1 MiB")));
  EXPECT_THAT(problems_of(file("- a\n- b\n")), ElementsAre(HasSubstr("holds a list where settings are expected")));
  EXPECT_THAT(problems_of(file("just text")), ElementsAre(HasSubstr("holds a text where settings are expected")));
  EXPECT_THAT(problems_of(file("data: a\ndata: b\n")),
              ElementsAre("tidemark.yaml:2: holds the key data a second time; keep one of the two"));
}

TEST(Load, problems_are_bounded_and_the_rest_counted) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "unknown" + std::to_string(i) + ": 1\n";
  const auto problems = problems_of(file(text));
  ASSERT_EQ(problems.size(), kMaxProblems + 1);
  EXPECT_EQ(problems.back(), "there are 950 more problems; mend these first");
}

TEST(Load, meters_are_read_as_they_stand) {
  const Settings settings = loaded(file("meters:\n"
                                        "  - slug: tokens\n"
                                        "    eventType: prompt\n"
                                        "    aggregation: SUM\n"
                                        "    valueProperty: $.tokens\n"
                                        "    groupBy: {model: $.model, kind: $.kind}\n"
                                        "    windows: [TOTAL, DAY]\n"
                                        "    name: Tokens\n"
                                        "    description: Of all models.\n"
                                        "  - {slug: calls, eventType: call, aggregation: COUNT}\n"))
                                .settings;
  ASSERT_EQ(settings.meters.size(), 2U);
  const MeterSettings& meter = settings.meters[0];
  EXPECT_EQ(meter.slug, "tokens");
  EXPECT_EQ(meter.event_type, "prompt");
  EXPECT_EQ(meter.aggregation, "SUM");
  EXPECT_EQ(meter.value_property, "$.tokens");
  EXPECT_THAT(meter.group_by, ElementsAre(std::pair("kind", "$.kind"), std::pair("model", "$.model")));
  EXPECT_THAT(meter.windows, ElementsAre("TOTAL", "DAY"));
  EXPECT_EQ(meter.name, "Tokens");
  EXPECT_EQ(meter.description, "Of all models.");
  EXPECT_EQ(meter.line, 2);
  EXPECT_EQ(settings.meters[1].line, 10);
  EXPECT_TRUE(settings.meters[1].windows.empty());
}

TEST(Load, faults_within_meters_are_all_told_with_their_lines) {
  EXPECT_THAT(problems_of(file("meters:\n"
                               "  - slug: a\n"
                               "    event_type: b\n"
                               "    aggregation: COUNT\n"
                               "    windows: DAY\n"
                               "  - slug: []\n"
                               "    eventType: ''\n"
                               "    aggregation: SUM\n"
                               "    groupBy: {x: [1]}\n"
                               "    windows: [DAY, [HOUR]]\n"
                               "  - text\n")),
              ElementsAre("tidemark.yaml:3: meters.event_type: isn't a key of a meter; did you mean eventType?",
                          HasSubstr("tidemark.yaml:5: meters.windows: takes a list"),
                          HasSubstr("tidemark.yaml:2: meters.eventType: is missing"),
                          HasSubstr("tidemark.yaml:6: meters.slug: takes a text, and here is a list"),
                          HasSubstr("tidemark.yaml:7: meters.eventType: takes a text, and here is an empty one"),
                          HasSubstr("tidemark.yaml:9: meters.groupBy.x: takes a JSONPath"),
                          HasSubstr("tidemark.yaml:10: meters.windows: takes texts"),
                          HasSubstr("tidemark.yaml:11: meters: a meter is a map, and here is a text")));
}

TEST(Load, meters_must_be_a_list_within_bounds) {
  EXPECT_THAT(problems_of(file("meters: {slug: a}\n")),
              ElementsAre(HasSubstr("meters: takes a list, and here is a map")));
  std::string text = "meters:\n";
  for (std::size_t i = 0; i <= kMaxMeters; ++i) text += "  - {}\n";
  EXPECT_THAT(problems_of(file(text)), ElementsAre(HasSubstr("more than 1000 meters")));
}

TEST(Describe, shows_every_setting_with_its_origin_and_no_password) {
  Sources sources = file(
      "database: postgres://u:hunter2@h/d?sslpassword=hunter3\nmeters: [{slug: a, eventType: b, aggregation: "
      "COUNT}]\n");
  sources.arguments = {"--data", "it's"};
  const std::string text = describe(loaded(sources));
  EXPECT_THAT(text, HasSubstr("data: 'it''s'  # --data\n"));
  EXPECT_THAT(text, HasSubstr("database: 'postgres://u:***@h/d?sslpassword=***'  # tidemark.yaml:1\n"));
  EXPECT_THAT(text, HasSubstr("flush_interval: '1s'  # default\n"));
  EXPECT_THAT(text, HasSubstr("#   a (line 2)"));
  EXPECT_THAT(text, Not(HasSubstr("hunter")));
}

TEST(Describe, what_is_shown_can_be_loaded_again) {
  const Settings once = loaded({}).settings;
  const Settings twice = loaded(file(describe(loaded({})))).settings;
  for (const Setting& setting : setting_table())
    EXPECT_EQ(written(setting, once), written(setting, twice)) << setting.key;
}

TEST(Load, no_problem_shows_a_password) {
  const char* const urls[] = {"oracle://u:hunter2@h", "u:hunter2@h", "postgres:u:hunter2@h", "mysql://u:hunter2@h\xff"};
  for (const char* url : urls) {
    Sources sources;
    sources.environment = {{"TIDEMARK_DATABASE", url}};
    for (const std::string& problem : problems_of(sources)) EXPECT_THAT(problem, Not(HasSubstr("hunter"))) << url;
    EXPECT_FALSE(load(sources)) << url;
  }
}

TEST(Flags, every_setting_has_one_flag_and_one_variable) {
  EXPECT_EQ(flag_of("a.b_c"), "--a-b-c");
  EXPECT_EQ(variable_of("a.b_c"), "TIDEMARK_A_B_C");
  const auto secrets = std::ranges::count_if(
      setting_table(), [](const Setting& setting) { return std::holds_alternative<SecretType>(setting.type); });
  ASSERT_EQ(flags().size() + static_cast<std::size_t>(secrets), setting_table().size());
  EXPECT_EQ(flags().front().name, "--data");
  EXPECT_EQ(flags().front().fallback, "./data");
}

TEST(SettingTable, defaults_are_written_in_the_form_in_which_values_are_shown) {
  const Settings settings = loaded({}).settings;
  for (const Setting& setting : setting_table()) {
    Settings again;
    ASSERT_TRUE(assign(setting, setting.fallback, again)) << setting.key;
    EXPECT_EQ(written(setting, again), written(setting, settings)) << setting.key;
    EXPECT_LE(setting.about.size(), 160U) << setting.key;
  }
}

}  // namespace
}  // namespace tidemark::config
