#include <algorithm>
#include <atomic>
#include <utility>

#include "literal.hpp"
#include "session.hpp"
#include "tidemark/base/hash.hpp"
#include "tidemark/base/logging.hpp"
#include "tidemark/sql/mysql/mysql.hpp"
#include "tidemark/sql/statement.hpp"

namespace tidemark::sql::mysql {
namespace {

constexpr unsigned long kOldestMariadb = 100'500;
constexpr unsigned long kOldestMysql = 80'019;
constexpr std::size_t kMaxNameCharacters = 64;

/// A statement's text; the server's max_allowed_packet may be less.
constexpr std::size_t kMaxStatementBytes = std::size_t{4} << 20;
constexpr std::size_t kPacketHeadroom = 1024;

// A transaction whose client has gone without a word is undone after this time, and its locks are free.
constexpr microseconds kLeastIdleTransactionTimeout = seconds(60);

// ANSI_QUOTES: names in double quotes, as on every other database. NO_BACKSLASH_ESCAPES: what makes our literals safe.
constexpr std::string_view kSqlMode =
    "STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,ANSI_QUOTES,"
    "PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,ONLY_FULL_GROUP_BY";

std::string whole_seconds_of(microseconds duration) {
  return std::to_string(std::max<std::int64_t>(1, std::chrono::ceil<seconds>(duration).count()));
}

/// What a session must have, whatever the server's defaults are; one statement.
std::string set_up_statement(const ServerOptions& options, Flavor flavor) {
  std::string statement =
      "SET SESSION sql_mode = '" + std::string(kSqlMode) + "', time_zone = '+00:00', autocommit = 1";
  const auto set = [&](std::string_view name, const std::string& value) {
    statement.append(", ").append(name).append(" = ").append(value);
  };
  set("collation_connection", std::string(text_collation(flavor)));
  set("innodb_lock_wait_timeout", whole_seconds_of(options.lock_timeout));
  set("lock_wait_timeout", whole_seconds_of(options.lock_timeout));  // Of tables; a day or a year by default.
  const auto statement_ms =
      std::max<std::int64_t>(1, std::chrono::ceil<milliseconds>(options.statement_timeout).count());
  if (flavor == Flavor::kMariadb) {
    std::string limit;
    Decimal::from_units(static_cast<__int128>(statement_ms) * (Decimal::kScale / 1000)).append_to(limit);
    set("max_statement_time", limit);
    set("idle_transaction_timeout",
        whole_seconds_of(std::max(2 * options.statement_timeout, kLeastIdleTransactionTimeout)));
  } else {
    set("max_execution_time", std::to_string(statement_ms));
  }
  return statement;
}

class MysqlDatabase final : public Database {
 public:
  MysqlDatabase(ServerOptions options, Url url, FileSystem& files)
      : options_(std::move(options)), url_(std::move(url)), dialect_(url_.database, Flavor::kMariadb), files_(files) {}

  Result<std::unique_ptr<Session>> connect() override { return open_session(url_); }
  std::string display_name() const override;
  const Dialect& dialect() const noexcept override { return dialect_; }
  Result<void> with_migration_lock(const std::function<Result<void>(Session&)>& migrate) override;

 private:
  Result<std::unique_ptr<Session>> open_session(const Url& url);
  Result<std::size_t> check_server(Connection& connection);
  Result<void> ensure_database();
  Result<void> lock_migrations(Session& session) const;

  const ServerOptions options_;
  const Url url_;
  const MysqlDialect dialect_;
  FileSystem& files_;
  std::atomic<bool> told_of_durability_ = false;
};

Result<std::unique_ptr<Session>> MysqlDatabase::open_session(const Url& url) {
  TIDEMARK_TRY_ASSIGN(const auto password, choose_password(options_, url.password, files_));
  TIDEMARK_TRY_ASSIGN(auto connection, Connection::open(url, password, options_.connect_timeout,
                                                        options_.statement_timeout + kNetworkGrace));
  TIDEMARK_TRY_ASSIGN(const std::size_t max_statement_bytes, check_server(*connection));
  const Flavor flavor = connection->flavor();
  for (const std::string& statement :
       {set_up_statement(options_, flavor), std::string("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")}) {
    if (auto done = connection->run(statement); !done) {
      return fail(done.error().with_context("cannot set up the session"));
    }
  }
  return std::make_unique<MysqlSession>(MysqlDialect(url_.database, flavor), std::move(connection),
                                        max_statement_bytes);
}

/// Answers how long a statement may be.
Result<std::size_t> MysqlDatabase::check_server(Connection& connection) {
  const bool mariadb = connection.flavor() == Flavor::kMariadb;
  if (connection.server_version() < (mariadb ? kOldestMariadb : kOldestMysql)) {
    return fail(Errc::kRefused, "MariaDB 10.5 or MySQL 8.0.19 or later is needed; this server's version is " +
                                    std::to_string(connection.server_version()));
  }
  TIDEMARK_TRY_ASSIGN(
      Answer answer,
      connection.run("SELECT @@default_storage_engine, @@innodb_flush_log_at_trx_commit, @@max_allowed_packet"));
  if (!answer.next()) return fail(Errc::kInternal, "MySQL doesn't answer its own settings");
  if (answer.text(0) != "InnoDB") {
    return fail(Errc::kRefused, "totals need transactions; set default_storage_engine to InnoDB, it is " +
                                    std::string(answer.text(0).value_or("not set")));
  }
  if (answer.text(1) != "1" && !told_of_durability_.exchange(true)) {
    logging::warning("the database may lose its last transactions in a crash; set innodb_flush_log_at_trx_commit to 1",
                     {{"innodb_flush_log_at_trx_commit", std::string(answer.text(1).value_or(""))}});
  }
  TIDEMARK_TRY_ASSIGN(const Value packet, read_value(answer.text(2).value_or(""), Type::kInt));
  const auto packet_bytes = static_cast<std::size_t>(std::get<std::int64_t>(packet));
  connection.limit_packets(packet_bytes);
  return std::min(kMaxStatementBytes, packet_bytes - std::min(packet_bytes, kPacketHeadroom));
}

std::string MysqlDatabase::display_name() const {
  const std::string where = url_.socket.empty() ? url_.host + ":" + std::to_string(url_.port) : url_.socket;
  return "mysql://" + url_.user + (url_.user.empty() ? "" : "@") + where + "/" + url_.database;
}

/// Asks first: the right to create a database isn't needed where it is there.
Result<void> MysqlDatabase::ensure_database() {
  if (const auto session = connect(); session || session.error().code() != Errc::kRefused) return {};
  Url server = url_;
  server.database.clear();
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<Session> session, open_session(server));
  TIDEMARK_TRY(
      session->execute("CREATE DATABASE IF NOT EXISTS " + quote_identifier(url_.database) + " CHARACTER SET utf8mb4"));
  return {};
}

/// Held by the session until it ends. The locks of all databases are in one space, so the name tells them apart.
Result<void> MysqlDatabase::lock_migrations(Session& session) const {
  const std::string name = "tidemark migrations " + std::to_string(hash64(as_bytes(url_.database)));
  const std::vector<Value> parameters{
      name, std::max<std::int64_t>(1, std::chrono::ceil<seconds>(options_.lock_timeout).count())};
  const auto rows = session.query("SELECT GET_LOCK(?, ?)", parameters, std::vector{Type::kInt});
  if (rows && rows->at(0).at(0) == Value(std::int64_t{1})) return {};
  if (rows || rows.error().code() == Errc::kTimeout || rows.error().code() == Errc::kContention) {
    return fail(Errc::kLocked, "another server migrates this database; wait for it or stop it: " + url_.database);
  }
  return fail(rows.error());
}

Result<void> MysqlDatabase::with_migration_lock(const std::function<Result<void>(Session&)>& migrate) {
  TIDEMARK_TRY(ensure_database());
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<Session> session, connect());
  TIDEMARK_TRY(lock_migrations(*session));
  return migrate(*session);
}

}  // namespace

Result<std::unique_ptr<Database>> open_database(ServerOptions options, FileSystem& files) {
  TIDEMARK_TRY_ASSIGN(Url url, parse_url(options.url));
  if (!options.schema.empty()) url.database = options.schema;
  if (url.database.empty()) {
    return fail(Errc::kInvalidArgument, "the database URL names no database; expected mysql://USER@HOST:PORT/DATABASE");
  }
  if (url.database.size() > kMaxNameCharacters) {
    return fail(Errc::kInvalidArgument, "a database's name has at most 64 characters in MySQL");
  }
  return std::make_unique<MysqlDatabase>(std::move(options), std::move(url), files);
}

}  // namespace tidemark::sql::mysql
