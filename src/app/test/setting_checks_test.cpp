#include "setting_checks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/must.hpp"

namespace tidemark::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class SettingChecks : public ::testing::Test {
 protected:
  /// All that is wrong with a file, as `config check` and `serve` tell it.
  std::vector<std::string> problems(std::string text) {
    config::Sources sources;
    sources.file_name = "t.yaml";
    sources.file_text = std::move(text);
    sources.further_checks = [&](const config::Loaded& loaded) { return check_settings(loaded, "t.yaml", files_); };
    const auto loaded = config::load(sources);
    std::vector<std::string> texts;
    if (!loaded) {
      for (const config::Problem& problem : loaded.error()) texts.push_back(problem.to_string());
    }
    return texts;
  }

  MemoryFileSystem files_;
};

TEST_F(SettingChecks, databases_of_every_kind_pass) {
  must(files_.make_directories("secrets"));
  must(replace_file(files_, "secrets/password", as_bytes("hunter2\n")));
  for (const char* url : {"sqlite:x.db", "postgres://u@h/d", "postgres://u@h:5432/d", "postgresql:///d?host=/run",
                          "postgres://u@a:5432,b,c:5433/d", "mysql://u@h/d", "mariadb://u@h:3306/d"}) {
    EXPECT_THAT(problems("database: " + std::string(url) + "\ndatabase_password_file: secrets/password\n"), IsEmpty())
        << url;
  }
}

TEST_F(SettingChecks, a_port_that_is_none_is_named_without_the_password) {
  for (const char* url :
       {"postgres://u:hunter2@h:54x2/d", "postgres://u:hunter2@h:0/d", "postgres://u:hunter2@h:65536/d",
        "postgres://u:hunter2@a:5432,b:x/d", "postgres://u:hunter2@h/d?port=x", "mysql://u:hunter2@h:x/d",
        "mariadb://u:hunter2@h:70000/d"}) {
    EXPECT_THAT(
        problems("database: " + std::string(url) + "\n"),
        ElementsAre(AllOf(StartsWith("t.yaml:1: database: "), HasSubstr("the port isn't a number from 1 to 65535"),
                          HasSubstr("HOST:PORT"), Not(HasSubstr("hunter")))))
        << url;
  }
}

TEST_F(SettingChecks, a_missing_password_file_is_named_with_the_remedy) {
  EXPECT_THAT(problems("database: postgres://u@h/d\ndatabase_password_file: secrets/password\n"),
              ElementsAre(AllOf(StartsWith("t.yaml:2: database_password_file: "), HasSubstr("secrets/password"),
                                HasSubstr("name a file that the server's user can read"))));
}

TEST_F(SettingChecks, faults_of_meters_are_told_together_with_those_of_settings) {
  EXPECT_THAT(problems("flush_interval: never\n"
                       "database: mysql://h\n"
                       "meters:\n"
                       "  - {slug: A B, eventType: x, aggregation: COUNT}\n"
                       "  - {slug: b, eventType: x, aggregation: SUM}\n"
                       "  - {slug: c, aggregation: SUM}\n"),
              ElementsAre(HasSubstr("t.yaml:1: flush_interval"), HasSubstr("t.yaml:6: meters.eventType: is missing"),
                          HasSubstr("t.yaml:2: database: the database URL names no database"),
                          HasSubstr("t.yaml:4: meter A B: slug must be"),
                          HasSubstr("t.yaml:5: meter b: valueProperty is missing")));
}

}  // namespace
}  // namespace tidemark::app
