#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "connection.hpp"
#include "dialect.hpp"
#include "tidemark/sql/session.hpp"

namespace tidemark::sql::postgres {

/// A session on one connection that is set up already.
class PostgresSession final : public Session {
 public:
  PostgresSession(PostgresDialect dialect, std::unique_ptr<Connection> connection)
      : dialect_(std::move(dialect)), connection_(std::move(connection)) {}

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
  Result<Answer> run(std::string_view statement, std::span<const Value> parameters);
  /// Runs `statement` on each chunk of the first `columns` of the batch; `take` gets each answer and the row with which
  /// its chunk begins.
  Result<void> run_in_chunks(const std::string& statement, const UpsertShape& shape, std::size_t columns,
                             const Batch& batch, const std::function<Result<void>(const Answer&, std::size_t)>& take);

  const PostgresDialect dialect_;
  const std::unique_ptr<Connection> connection_;
};

}  // namespace tidemark::sql::postgres
