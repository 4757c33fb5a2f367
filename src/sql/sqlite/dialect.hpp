#pragma once

#include "tidemark/sql/dialect.hpp"

namespace tidemark::sql::sqlite {

class SqliteDialect final : public Dialect {
 public:
  Engine engine() const noexcept override { return Engine::kSqlite; }
  std::string table(std::string_view name) const override;
  std::string create_table(const TableShape& shape) const override;
  std::string column_type(const Column& column) const override;
};

/// The statement that inserts `rows` rows of the shape, or merges each with the row of the same key.
std::string upsert_statement(const UpsertShape& shape, std::size_t rows);
/// The statement that inserts one row of the shape unless its key is there.
std::string insert_missing_statement(const UpsertShape& shape);
/// The query for the value columns of one key.
std::string read_statement(const UpsertShape& shape);

}  // namespace tidemark::sql::sqlite
