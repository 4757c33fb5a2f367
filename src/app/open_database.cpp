#include "open_database.hpp"

#include "tidemark/sql/mysql/mysql.hpp"
#include "tidemark/sql/postgres/postgres.hpp"
#include "tidemark/sql/sqlite/database.hpp"

namespace tidemark::app {

Result<std::unique_ptr<sql::Database>> open_database(const config::Settings& settings, FileSystem& files) {
  const std::string url = settings.database_url();
  const std::string scheme = url.substr(0, url.find(':'));
  if (scheme == "sqlite") {
    TIDEMARK_TRY_ASSIGN(sql::sqlite::Options options, sql::sqlite::parse_url(url));
    options.lock_timeout = settings.lock_timeout;
    options.statement_timeout = settings.statement_timeout;
    return sql::sqlite::make_database(std::move(options));
  }
  sql::ServerOptions options;
  options.url = url;
  options.password_file = settings.database_password_file;
  options.password = settings.database_password;
  options.schema = settings.database_schema;
  options.role = settings.database_role;
  options.connect_timeout = settings.connect_timeout;
  options.statement_timeout = settings.statement_timeout;
  options.lock_timeout = settings.lock_timeout;
  if (scheme == "postgres" || scheme == "postgresql") return sql::postgres::open_database(std::move(options), files);
  if (scheme == "mysql" || scheme == "mariadb") return sql::mysql::open_database(std::move(options), files);
  return fail(
      Errc::kInvalidArgument,
      "database: the URL's scheme isn't known; use sqlite:PATH, postgres://… or mysql://…: " + config::redact_url(url));
}

}  // namespace tidemark::app
