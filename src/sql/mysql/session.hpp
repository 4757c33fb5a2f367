#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "connection.hpp"
#include "dialect.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::sql::mysql {

/// A session on one connection that is set up already: its sql_mode makes literals safe.
class MysqlSession final : public Session {
 public:
  /// No statement is longer than `max_statement_bytes`, unless one row alone makes it so.
  MysqlSession(MysqlDialect dialect, std::unique_ptr<Connection> connection, std::size_t max_statement_bytes)
      : dialect_(std::move(dialect)), connection_(std::move(connection)), max_statement_bytes_(max_statement_bytes) {}

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
  /// Half-open rows of a batch.
  struct Chunk {
    std::size_t begin = 0;
    std::size_t end = 0;
  };

  Result<Answer> run(std::string_view statement, std::span<const Value> parameters);
  /// Finds the keys of the rows from `begin` on that there are, as many as one statement holds; answers which rows it
  /// asked for.
  Result<Chunk> find_keys(const UpsertShape& shape, const Batch& batch, std::size_t begin, bool lock,
                          const std::function<Result<void>(const Answer&, std::size_t row)>& take);
  /// Inserts the rows of the chunk for which `wanted` holds.
  Result<void> insert(const UpsertShape& shape, const Batch& batch, Chunk chunk,
                      const std::function<bool(std::size_t)>& wanted);

  const MysqlDialect dialect_;
  const std::unique_ptr<Connection> connection_;
  const std::size_t max_statement_bytes_;
  std::string statement_;  // Kept for its memory.
  bool in_transaction_ = false;
};

}  // namespace tidemark::sql::mysql
