#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>

#include "session.hpp"
#include "tidemark/base/hash.hpp"
#include "tidemark/sql/postgres/postgres.hpp"
#include "tidemark/sql/statement.hpp"

namespace tidemark::sql::postgres {
namespace {

constexpr int kOldestServer = 120'000;
constexpr std::size_t kMaxNameBytes = 63;  // PostgreSQL cuts longer names without an error.

// A transaction whose client has gone without a word is undone after this time, and its locks are free.
constexpr microseconds kLeastIdleTransactionTimeout = seconds(60);

/// The settings that a URL names, password apart.
struct Target {
  std::map<std::string, std::string> settings;
  std::optional<std::string> password;
};

/// libpq itself reads ports only when it connects, and would be asked again and again. One for each host, or one.
bool are_ports(std::string_view text) {
  while (true) {
    const std::string_view port = text.substr(0, text.find(','));
    std::uint16_t number = 0;
    const auto [stopped, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    const bool whole = error == std::errc() && stopped == port.data() + port.size() && number > 0;
    if (!whole && !port.empty()) return false;  // An empty one is the default.
    if (port.size() == text.size()) return true;
    text.remove_prefix(port.size() + 1);
  }
}

Result<Target> parse_url(const std::string& url) {
  char* complaint = nullptr;
  PQconninfoOption* options = PQconninfoParse(url.c_str(), &complaint);
  if (options == nullptr) {
    std::string text = complaint == nullptr ? "out of memory" : complaint;
    PQfreemem(complaint);
    // The complaint may quote the URL and the password in it.
    if (text.find('"') != std::string::npos) text.resize(text.find('"'));
    while (text.ends_with('\n') || text.ends_with(' ')) text.pop_back();
    return fail(Errc::kInvalidArgument,
                "the database URL can't be read; expected postgres://USER@HOST:PORT/DATABASE: " + text);
  }
  Target target;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    if (std::string_view(option->keyword) == "password") {
      target.password = option->val;
    } else {
      target.settings[option->keyword] = option->val;
    }
  }
  PQconninfoFree(options);
  if (const auto port = target.settings.find("port"); port != target.settings.end() && !are_ports(port->second)) {
    return fail(Errc::kInvalidArgument,
                "the database URL can't be read; expected postgres://USER@HOST:PORT/DATABASE: the port isn't a number "
                "from 1 to 65535");
  }
  return target;
}

std::string milliseconds_of(microseconds duration) {
  // 0 would mean no limit.
  return std::to_string(std::max<std::int64_t>(1, std::chrono::ceil<milliseconds>(duration).count()));
}

/// Fills in what the URL leaves open: a connection whose peer has gone is noticed.
void add_defaults(std::map<std::string, std::string>& settings, const ServerOptions& options) {
  settings.emplace("application_name", "tidemark");
  settings.emplace("keepalives_idle", "10");
  settings.emplace("keepalives_interval", "5");
  settings.emplace("keepalives_count", "3");
  settings.emplace("tcp_user_timeout", milliseconds_of(options.statement_timeout + kNetworkGrace));
  settings["client_encoding"] = "UTF8";
}

/// What a session must have, whatever the server's, the database's and the role's defaults are.
std::string set_up_statements(const ServerOptions& options) {
  std::string statements =
      "SET TimeZone = 'UTC';"
      "SET standard_conforming_strings = on;"
      "SET search_path = '';"  // Every name of ours carries its schema.
      "SET default_transaction_isolation = 'read committed';"
      "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';";
  const auto set = [&](std::string_view name, microseconds duration) {
    statements.append("SET ").append(name).append(" = ").append(milliseconds_of(duration)).append(";");
  };
  set("statement_timeout", options.statement_timeout);
  set("lock_timeout", options.lock_timeout);
  set("idle_in_transaction_session_timeout", std::max(2 * options.statement_timeout, kLeastIdleTransactionTimeout));
  if (!options.role.empty()) statements += "SET ROLE " + quote_identifier(options.role) + ";";
  return statements;
}

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(ServerOptions options, Target target, FileSystem& files)
      : options_(std::move(options)),
        target_(std::move(target)),
        dialect_(options_.schema.empty() ? "public" : options_.schema),
        files_(files) {}

  Result<std::unique_ptr<Session>> connect() override;
  std::string display_name() const override;
  const Dialect& dialect() const noexcept override { return dialect_; }
  Result<void> with_migration_lock(const std::function<Result<void>(Session&)>& migrate) override;

 private:
  Result<void> lock_migrations(Session& session) const;
  Result<void> ensure_schema(Session& session) const;

  const ServerOptions options_;
  const Target target_;
  const PostgresDialect dialect_;
  FileSystem& files_;
};

Result<std::unique_ptr<Session>> PostgresDatabase::connect() {
  TIDEMARK_TRY_ASSIGN(const auto password, choose_password(options_, target_.password, files_));
  Connection::Settings settings(target_.settings.begin(), target_.settings.end());
  if (password) settings.emplace_back("password", *password);
  TIDEMARK_TRY_ASSIGN(auto connection,
                      Connection::open(settings, options_.connect_timeout, options_.statement_timeout + kNetworkGrace));
  if (connection->server_version() < kOldestServer) {
    return fail(Errc::kRefused, "PostgreSQL 12 or later is needed; this server's version is " +
                                    std::to_string(connection->server_version() / 10'000));
  }
  if (auto done = connection->run(set_up_statements(options_)); !done) {
    return fail(done.error().with_context("cannot set up the session"));
  }
  return std::make_unique<PostgresSession>(dialect_, std::move(connection));
}

std::string PostgresDatabase::display_name() const {
  const auto setting = [&](const char* name, std::string otherwise) {
    const auto found = target_.settings.find(name);
    return found == target_.settings.end() ? std::move(otherwise) : found->second;
  };
  const std::string user = setting("user", "");
  const std::string port = setting("port", "");
  return "postgres://" + user + (user.empty() ? "" : "@") + setting("host", setting("hostaddr", "")) +
         (port.empty() ? "" : ":" + port) + "/" + setting("dbname", user);
}

/// Held by the session until it ends. The key is the schema's: two Tidemarks in one database don't meet.
Result<void> PostgresDatabase::lock_migrations(Session& session) const {
  const auto key = static_cast<std::int64_t>(hash64(as_bytes("tidemark migrations " + dialect_.schema())));
  const std::vector<Value> parameters{key};
  auto locked = session.query("SELECT pg_advisory_lock(?) IS NULL", parameters, std::vector{Type::kInt});
  if (locked) return {};
  if (locked.error().code() == Errc::kContention || locked.error().code() == Errc::kTimeout) {
    return fail(Errc::kLocked,
                "another server migrates this schema; wait for it or stop it: schema " + dialect_.schema());
  }
  return fail(locked.error());
}

/// Asks first: CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to do.
Result<void> PostgresDatabase::ensure_schema(Session& session) const {
  TIDEMARK_TRY_ASSIGN(const Rows rows, session.query("SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = ?",
                                                     std::vector<Value>{dialect_.schema()}, std::vector{Type::kInt}));
  if (rows.at(0).at(0) != Value(std::int64_t{0})) return {};
  TIDEMARK_TRY(session.execute("CREATE SCHEMA IF NOT EXISTS " + quote_identifier(dialect_.schema())));
  return {};
}

Result<void> PostgresDatabase::with_migration_lock(const std::function<Result<void>(Session&)>& migrate) {
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<Session> session, connect());
  TIDEMARK_TRY(lock_migrations(*session));
  TIDEMARK_TRY(ensure_schema(*session));
  return migrate(*session);
}

}  // namespace

Result<std::unique_ptr<Database>> open_database(ServerOptions options, FileSystem& files) {
  TIDEMARK_TRY_ASSIGN(Target target, parse_url(options.url));
  if (options.schema.size() > kMaxNameBytes || options.role.size() > kMaxNameBytes) {
    return fail(Errc::kInvalidArgument, "a schema's or a role's name has at most 63 bytes in PostgreSQL");
  }
  if (options.schema.find('\0') != std::string::npos || options.role.find('\0') != std::string::npos) {
    return fail(Errc::kInvalidArgument, "a schema's or a role's name holds a NUL character");
  }
  add_defaults(target.settings, options);
  return std::make_unique<PostgresDatabase>(std::move(options), std::move(target), files);
}

}  // namespace tidemark::sql::postgres
