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

}  // namespace
}  // namespace tidemark::sql::postgres
