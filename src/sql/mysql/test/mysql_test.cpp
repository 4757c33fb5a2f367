#include "tidemark/sql/mysql/mysql.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tidemark/sql/testing/contract.hpp"
#include "tidemark/sql/testing/scratch_database.hpp"
#include "tidemark/sql/testing/server_contract.hpp"
#include "tidemark/sql/testing/tcp_gate.hpp"

namespace tidemark::sql::mysql {
namespace {

using sql::testing::Contract;
using sql::testing::ContractSettings;
using sql::testing::ContractTarget;
using sql::testing::ScratchDatabase;
using sql::testing::ServerContract;
using sql::testing::ServerTarget;

std::string url() {
  return sql::testing::server_url("TIDEMARK_TEST_MYSQL_URL");
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

/// Runs a statement with every right.
void as_owner(const std::string& statement) {
  const auto database = open({.url = url(), .schema = "mysql"});
  auto session = database->connect();
  if (!session) throw std::runtime_error(session.error().message());
  const auto done = (*session)->execute(statement);
  if (!done) throw std::runtime_error(done.error().message());
}

/// A database of its own, which is there already.
std::unique_ptr<Database> open_scratch(ServerOptions options) {
  options.schema = sql::testing::scratch_name();
  as_owner("CREATE DATABASE " + options.schema);
  return std::make_unique<ScratchDatabase>(open(options),
                                           [name = options.schema] { as_owner("DROP DATABASE IF EXISTS " + name); });
}

INSTANTIATE_TEST_SUITE_P(Mysql, Contract,
                         ::testing::Values(ContractTarget{"mysql",
                                                          [](const ContractSettings& settings) {
                                                            return open_scratch(
                                                                {.url = url(),
                                                                 .statement_timeout = settings.statement_timeout,
                                                                 .lock_timeout = settings.lock_timeout});
                                                          },
                                                          "SELECT SLEEP(30)"}));

INSTANTIATE_TEST_SUITE_P(Mysql, ServerContract,
                         ::testing::Values(ServerTarget{
                             .name = "mysql",
                             .url_variable = "TIDEMARK_TEST_MYSQL_URL",
                             .open = open,
                             .parameters_without_tls = "?ssl-mode=DISABLED",
                             .parameters_with_tls = "?ssl-mode=VERIFY_IDENTITY&ssl-ca=",
                             .session_id = "SELECT CONNECTION_ID()",
                             .kill = "KILL ",
                             .create_user = {"CREATE USER %u IDENTIFIED BY 'secret' WITH MAX_USER_CONNECTIONS 1",
                                             "GRANT SELECT ON %s.* TO %u"},
                             .drop_user = "DROP USER %u",
                             .is_encrypted = "SHOW STATUS LIKE 'Ssl_version'",
                             .make_read_only = "SET SESSION TRANSACTION READ ONLY",
                             .grants = "docs/operations/grants-mysql.sql"}));

}  // namespace
}  // namespace tidemark::sql::mysql
