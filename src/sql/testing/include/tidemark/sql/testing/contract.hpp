#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include "tidemark/sql/session.hpp"

/// What every adapter must do, as one suite. An adapter's test program instantiates it:
///
///     INSTANTIATE_TEST_SUITE_P(Sqlite, Contract, testing::Values(ContractTarget{"sqlite", open, slow_query}));
namespace tidemark::sql::testing {

struct ContractSettings {
  microseconds lock_timeout = seconds(60);
  microseconds statement_timeout = seconds(60);
};

/// A database system under test.
struct ContractTarget {
  std::string name;
  /// Opens a database (or a schema) that no other call has opened, without tables. Never fails: it aborts or throws.
  std::function<std::unique_ptr<Database>(const ContractSettings&)> open_empty;
  /// A query of one integer column that takes at least 20 s unless it is stopped.
  std::string slow_query;
};

inline void PrintTo(const ContractTarget& target, std::ostream* out) {
  *out << target.name;
}

class Contract : public ::testing::TestWithParam<ContractTarget> {
 protected:
  void SetUp() override { open({}); }

  /// Opens a fresh database in place of the fixture's.
  void open(const ContractSettings& settings);
  std::unique_ptr<Session> connect();
  /// Writes each value over the one before it, in a column of its own, and answers what is stored then.
  Value merged(Type type, Merge merge, const std::vector<Value>& values);

  std::unique_ptr<Database> database_;
  std::unique_ptr<Session> session_;
};

/// Pulls the suite's tests out of the library and into the program.
bool link_contract();
inline const bool contract_is_linked = link_contract();

}  // namespace tidemark::sql::testing
