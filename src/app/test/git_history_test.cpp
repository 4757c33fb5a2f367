#include "git_history.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <vector>

namespace tidemark::app {
namespace {

using std::string_literals::operator""s;

const std::string kLog =
    "\x01"
    "aaa 2015-01-02T03:04:05+01:00\0"
    "\n3\t1\tsrc/log/log.cpp\0-\t-\tlogo.png\0"
    "\x01"
    "bbb 2016-01-02T03:04:05Z\0"
    "\x01"
    "ccc 2017-01-02T03:04:05Z\0"
    "\n10\t0\ta b\t\"c\".txt\0"s;

struct Parsed {
  std::vector<nlohmann::json> events;
  GitHistoryReport report;
};

Parsed parse(const std::string& text, std::size_t piece, std::set<std::string> boundaries = {}) {
  Parsed parsed;
  GitLogParser parser(
      [&](std::string_view event) -> Result<void> {
        parsed.events.push_back(nlohmann::json::parse(event));
        return {};
      },
      std::move(boundaries));
  for (std::size_t at = 0; at < text.size(); at += piece) {
    EXPECT_TRUE(parser.feed(std::string_view(text).substr(at, piece)));
  }
  EXPECT_TRUE(parser.finish());
  parsed.report = parser.report();
  return parsed;
}

TEST(GitHistory, every_commit_and_file_gives_an_event_however_the_input_is_cut) {
  for (const std::size_t piece : {1u, 2u, 7u, 1000u}) {
    const Parsed parsed = parse(kLog, piece);
    ASSERT_EQ(parsed.events.size(), 3u);
    const nlohmann::json& event = parsed.events[0];
    EXPECT_EQ(event["id"], "aaa:src/log/log.cpp");
    EXPECT_EQ(event["source"], "git");
    EXPECT_EQ(event["type"], "change");
    EXPECT_EQ(event["subject"], "src/log");
    EXPECT_EQ(event["time"], "2015-01-02T03:04:05+01:00");
    EXPECT_EQ(event["data"]["added"], 3);
    EXPECT_EQ(event["data"]["removed"], 1);
    EXPECT_EQ(parsed.report.commits, 3u);
  }
}

TEST(GitHistory, a_binary_file_counts_with_no_lines) {
  const Parsed parsed = parse(kLog, 1000);
  EXPECT_EQ(parsed.events[1]["data"]["added"], 0);
  EXPECT_EQ(parsed.report.binary_files, 1u);
}

TEST(GitHistory, tabs_and_quotes_in_names_are_kept) {
  EXPECT_EQ(parse(kLog, 1000).events[2]["data"]["path"], "a b\t\"c\".txt");
}

TEST(GitHistory, the_end_of_a_shallow_clone_is_left_out) {
  const Parsed parsed = parse(kLog, 1000, {"aaa"});
  ASSERT_EQ(parsed.events.size(), 1u);
  EXPECT_EQ(parsed.report.shallow_boundaries, 1u);
  EXPECT_EQ(parsed.report.commits, 2u);
}

TEST(GitHistory, bytes_that_are_not_utf8_become_the_replacement_character) {
  const Parsed parsed = parse(
      "\x01"
      "aaa 2015-01-02T03:04:05Z\0\n1\t0\tcaf\xe9/x/y\0"s,
      1000);
  EXPECT_EQ(parsed.events[0]["data"]["path"], "caf\xef\xbf\xbd/x/y");
  EXPECT_EQ(parsed.events[0]["subject"], "caf\xef\xbf\xbd/x");
}

TEST(GitHistory, a_long_path_gives_a_subject_of_at_most_255_characters) {
  const std::string path(400, 'x');
  const Parsed parsed = parse(
      "\x01"
      "aaa 2015-01-02T03:04:05Z\0\n1\t0\t"s +
          path + "\0"s,
      1000);
  EXPECT_EQ(parsed.events[0]["subject"].get<std::string>().size(), 255u);
  EXPECT_EQ(parsed.events[0]["data"]["path"], path);
}

TEST(GitHistory, what_is_no_git_log_is_refused) {
  for (const std::string& text : {"hello\0"s, "1\t2\tx\0"s,
                                  "\x01"
                                  "aaa\0"s}) {
    GitLogParser parser([](std::string_view) -> Result<void> { return {}; });
    EXPECT_FALSE(parser.feed(text));
  }
}

TEST(GitHistory, a_directory_without_a_repository_is_not_found) {
  const auto read = read_git_history("/", [](std::string_view) -> Result<void> { return {}; });
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Errc::kNotFound);
}

}  // namespace
}  // namespace tidemark::app
