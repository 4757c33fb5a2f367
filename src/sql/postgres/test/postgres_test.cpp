#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tidemark/sql/postgres/postgres.hpp"
#include "tidemark/sql/testing/contract.hpp"
#include "tidemark/sql/testing/scratch_database.hpp"
#include "tidemark/sql/testing/tcp_gate.hpp"

namespace tidemark::sql::postgres {
namespace {

using sql::testing::Contract;
using sql::testing::ContractSettings;
using sql::testing::ContractTarget;
using sql::testing::ScratchDatabase;

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

}  // namespace
}  // namespace tidemark::sql::postgres
