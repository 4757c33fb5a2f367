#include "tidemark/sql/testing/contract.hpp"

#include "tidemark/base/testing/temporary_directory.hpp"
#include "tidemark/sql/sqlite/database.hpp"

namespace tidemark::sql::testing {
namespace {

std::unique_ptr<Database> open_empty(const ContractSettings& settings) {
  static const TemporaryDirectory directory;
  static int databases = 0;
  return sqlite::make_database({.path = directory.file(std::to_string(++databases) + ".db"),
                                .lock_timeout = settings.lock_timeout,
                                .statement_timeout = settings.statement_timeout});
}

constexpr const char* kSlowQuery =
    "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000000000) "
    "SELECT count(*) FROM numbers";

INSTANTIATE_TEST_SUITE_P(Sqlite, Contract, ::testing::Values(ContractTarget{"sqlite", open_empty, kSlowQuery}));

}  // namespace
}  // namespace tidemark::sql::testing
