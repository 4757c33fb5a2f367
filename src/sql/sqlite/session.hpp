#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "connection.hpp"
#include "dialect.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::sql::sqlite {

/// A session: one connection and the statements prepared on it.
class SqliteSession final : public Session {
 public:
  explicit SqliteSession(std::unique_ptr<Connection> connection) : connection_(std::move(connection)) {}

  const Dialect& dialect() const noexcept override { return dialect_; }
  Result<void> begin() override;
  Result<void> commit() override;
  void rollback() noexcept override;
  Result<std::int64_t> execute(std::string_view statement, std::span<const Value> parameters) override;
  Result<Rows> query(std::string_view statement, std::span<const Value> parameters,
                     std::span<const Type> types) override;
  Result<void> upsert(const UpsertShape& shape, const Batch& batch) override;
  Result<void> insert_missing(const UpsertShape& shape, const Batch& batch, std::vector<bool>& inserted) override;
  Result<std::vector<std::optional<Row>>> read_by_key(const UpsertShape& shape, const Batch& keys) override;

 private:
  /// Statements are few and fixed; past this many they are dropped all at once.
  static constexpr std::size_t kPreparedMax = 64;

  Result<sqlite3_stmt*> prepare(std::string_view text);
  Result<sqlite3_stmt*> prepare_with(std::string_view text, std::span<const Value> parameters);
  /// Binds the row's first `columns` cells to the parameters from `first_parameter` on, which count from 1.
  Result<void> bind_row(sqlite3_stmt* statement, int first_parameter, const UpsertShape& shape, std::size_t columns,
                        const Batch& batch, std::size_t row);
  /// Upserts the rows from `begin` to `end`, so many at once; `end - begin` is a multiple of that.
  Result<void> upsert_rows(const UpsertShape& shape, const Batch& batch, std::size_t begin, std::size_t end,
                           std::size_t at_once);
  bool in_transaction() const noexcept { return sqlite3_get_autocommit(connection_->handle()) == 0; }

  const SqliteDialect dialect_;
  std::unique_ptr<Connection> connection_;
  std::unordered_map<std::string, Statement> prepared_;  // Dies before the connection.
};

}  // namespace tidemark::sql::sqlite
