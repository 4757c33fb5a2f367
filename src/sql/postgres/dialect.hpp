#pragma once

#include <string>
#include <string_view>

#include "tidemark/sql/dialect.hpp"

namespace tidemark::sql::postgres {

class PostgresDialect final : public Dialect {
 public:
  explicit PostgresDialect(std::string schema) : schema_(std::move(schema)) {}

  Engine engine() const noexcept override { return Engine::kPostgres; }
  std::string table(std::string_view name) const override;
  std::string create_table(const TableShape& shape) const override;
  std::string column_type(const Column& column) const override;

  const std::string& schema() const noexcept { return schema_; }

  // Bulk statements. Their parameters are arrays, one for each column of the batch.
  std::string upsert(const UpsertShape& shape) const;
  /// Answers the ordinals, from 1, of the rows that were inserted.
  std::string insert_missing(const UpsertShape& shape) const;
  /// Answers the ordinal, from 1, of each key that was found, and its value columns.
  std::string read_by_key(const UpsertShape& shape) const;

 private:
  std::string schema_;
};

}  // namespace tidemark::sql::postgres
