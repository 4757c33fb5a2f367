#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tidemark/sql/postgres/postgres.hpp"
#include "tidemark/sql/testing/contract.hpp"
#include "tidemark/sql/testing/scratch_database.hpp"
#include "tidemark/sql/testing/server_contract.hpp"
#include "tidemark/sql/testing/tcp_gate.hpp"

namespace tidemark::sql::postgres {
namespace {

using sql::testing::Contract;
using sql::testing::ContractSettings;
using sql::testing::ContractTarget;
using sql::testing::ScratchDatabase;
using sql::testing::ServerContract;
using sql::testing::ServerTarget;

std::string url() {
  return sql::testing::server_url("TIDEMARK_TEST_POSTGRES_URL");
}

PosixFileSystem& files() {
  static PosixFileSystem system;
  return system;
}

std::unique_ptr<Database> open(const ServerOptions& options) {
  auto database = open_database(options, files());
  if (!database) throw std::runtime_error(database.error().message());
  return std::move(*database);
}

/// Runs statements with every right.
void as_owner(const std::string& statement) {
  const auto database = open({.url = url()});
  auto session = database->connect();
  if (!session) throw std::runtime_error(session.error().message());
  const auto done = (*session)->execute(statement);
  if (!done) throw std::runtime_error(done.error().message());
}

/// A database on a schema of its own, which is there already.
std::unique_ptr<Database> open_scratch(ServerOptions options) {
  options.schema = sql::testing::scratch_name();
  as_owner("CREATE SCHEMA " + options.schema);
  return std::make_unique<ScratchDatabase>(
      open(options), [schema = options.schema] { as_owner("DROP SCHEMA IF EXISTS " + schema + " CASCADE"); });
}

INSTANTIATE_TEST_SUITE_P(Postgres, Contract,
                         ::testing::Values(ContractTarget{"postgres",
                                                          [](const ContractSettings& settings) {
                                                            return open_scratch(
                                                                {.url = url(),
                                                                 .statement_timeout = settings.statement_timeout,
                                                                 .lock_timeout = settings.lock_timeout});
                                                          },
                                                          "SELECT 1 FROM (SELECT pg_sleep(30)) AS slept"}));

INSTANTIATE_TEST_SUITE_P(
    Postgres, ServerContract,
    ::testing::Values(ServerTarget{
        .name = "postgres",
        .url_variable = "TIDEMARK_TEST_POSTGRES_URL",
        .open = open,
        .parameters_without_tls = "?sslmode=disable",
        .parameters_with_tls = "?sslmode=verify-full&sslrootcert=",
        .session_id = "SELECT pg_backend_pid()",
        .kill = "SELECT pg_terminate_backend(",
        .create_user = {"CREATE ROLE %u LOGIN PASSWORD 'secret' CONNECTION LIMIT 1", "GRANT USAGE ON SCHEMA %s TO %u"},
        .drop_user = "DROP OWNED BY %u; DROP ROLE %u",
        .is_encrypted = "SELECT 'ssl', CASE WHEN ssl THEN 'on' ELSE 'off' END FROM pg_catalog.pg_stat_ssl "
                        "WHERE pid = pg_backend_pid()",
        .make_read_only = "SET default_transaction_read_only = on",
        .grants = "docs/operations/grants-postgres.sql"}));

std::string setting(Database& database, const std::string& name) {
  const auto session = database.connect();
  if (!session) return session.error().message();
  const auto rows = (*session)->query("SELECT current_setting(?)", std::vector<Value>{name}, std::vector{Type::kText});
  return rows ? std::get<std::string>(rows->at(0).at(0)) : rows.error().message();
}

TEST(Postgres, a_session_is_set_up_whatever_the_defaults_are) {
  const auto database =
      open_scratch({.url = url() + "?options=-c%20synchronous_commit%3Doff%20-c%20TimeZone%3DAsia/Tokyo"
                                   "%20-c%20default_transaction_isolation%3Dserializable%20-c%20search_path%3Dpublic",
                    .statement_timeout = seconds(7),
                    .lock_timeout = milliseconds(1500)});
  EXPECT_EQ(setting(*database, "synchronous_commit"), "on");
  EXPECT_EQ(setting(*database, "TimeZone"), "UTC");
  EXPECT_EQ(setting(*database, "transaction_isolation"), "read committed");
  EXPECT_EQ(setting(*database, "search_path"), "\"\"");
  EXPECT_EQ(setting(*database, "statement_timeout"), "7s");
  EXPECT_EQ(setting(*database, "lock_timeout"), "1500ms");
  EXPECT_EQ(setting(*database, "idle_in_transaction_session_timeout"), "1min");
  EXPECT_EQ(setting(*database, "application_name"), "tidemark");
  EXPECT_EQ(setting(*database, "client_encoding"), "UTF8");
}

TEST(Postgres, durability_that_an_administrator_chose_stays) {
  const auto database = open_scratch({.url = url() + "?options=-c%20synchronous_commit%3Dlocal"});
  EXPECT_EQ(setting(*database, "synchronous_commit"), "local");
}

TEST(Postgres, a_session_takes_on_the_configured_role) {
  as_owner("DROP ROLE IF EXISTS tidemark_test_role; CREATE ROLE tidemark_test_role");
  const auto session = open({.url = url(), .role = "tidemark_test_role"})->connect().value();
  const auto rows = session->query("SELECT current_user", {}, std::vector{Type::kText});
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->at(0).at(0), Value("tidemark_test_role"));
  EXPECT_EQ(session->execute("CREATE SCHEMA no_right").error().code(), Errc::kForbidden);
  as_owner("DROP ROLE tidemark_test_role");
}

TEST(Postgres, more_statements_than_are_kept_parsed_still_run) {
  const auto session = open({.url = url()})->connect().value();
  for (std::int64_t i = 0; i < 300; ++i) {
    const auto rows = session->query("SELECT ? + " + std::to_string(i), std::vector<Value>{i}, std::vector{Type::kInt});
    ASSERT_TRUE(rows) << rows.error().message();
    ASSERT_EQ(rows->at(0).at(0), Value(2 * i));
  }
}

TEST(Postgres, a_malformed_url_or_name_is_refused_without_showing_the_password) {
  for (const char* text : {"postgres://u:hunter2@h/d?hunter2=1", "postgres://u:hunter2%zz@h/d"}) {
    const auto database = open_database({.url = text}, files());
    ASSERT_FALSE(database) << text;
    EXPECT_EQ(database.error().code(), Errc::kInvalidArgument);
    EXPECT_THAT(database.error().message(), ::testing::Not(::testing::HasSubstr("hunter2")));
  }
  EXPECT_FALSE(open_database({.url = "postgres://h/d", .schema = std::string(64, 's')}, files()));
}

}  // namespace
}  // namespace tidemark::sql::postgres
