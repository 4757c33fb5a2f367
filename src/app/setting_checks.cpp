#include "setting_checks.hpp"

#include "definitions.hpp"
#include "open_database.hpp"
#include "tidemark/sql/server_options.hpp"

namespace tidemark::app {
namespace {

void check_database(const config::Loaded& loaded, FileSystem& files, std::vector<config::Problem>& problems) {
  const auto add = [&](const std::string& key, const Error& error, std::string remedy) {
    const auto origin = loaded.origins.find(key);
    problems.push_back({origin == loaded.origins.end() ? "" : origin->second, key, error.message(), std::move(remedy)});
  };
  if (const auto database = open_database(loaded.settings, files); !database) add("database", database.error(), "");
  const sql::ServerOptions password{.password_file = loaded.settings.database_password_file};
  if (const auto chosen = sql::choose_password(password, std::nullopt, files); !chosen) {
    add("database_password_file", chosen.error(), "name a file that the server's user can read, or leave it out");
  }
}

}  // namespace

std::vector<config::Problem> check_settings(const config::Loaded& loaded, const std::string& file, FileSystem& files) {
  std::vector<config::Problem> problems;
  check_database(loaded, files, problems);
  std::vector<std::string> faults;
  const auto definitions = definitions_of(loaded.settings, file, faults);
  for (std::string& fault : faults) problems.push_back({"", "", std::move(fault), ""});
  return problems;
}

}  // namespace tidemark::app
