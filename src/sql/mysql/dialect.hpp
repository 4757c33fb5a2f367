#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tidemark/sql/dialect.hpp"

namespace tidemark::sql::mysql {

enum class Flavor : std::uint8_t { kMariadb, kMysql };

/// The collation that compares by bytes and doesn't pad.
std::string_view text_collation(Flavor flavor) noexcept;

class MysqlDialect final : public Dialect {
 public:
  MysqlDialect(std::string database, Flavor flavor) : database_(std::move(database)), flavor_(flavor) {}

  Engine engine() const noexcept override { return Engine::kMysql; }
  std::string table(std::string_view name) const override;
  std::string create_table(const TableShape& shape) const override;
  std::string column_type(const Column& column) const override;

  const std::string& database() const noexcept { return database_; }

  // Pieces of bulk statements, between which the rows stand as `(literal, …), (literal, …)`.
  /// `INSERT INTO table (columns) VALUES `.
  std::string insert_into(const UpsertShape& shape) const;
  /// ` ON DUPLICATE KEY UPDATE …`: the merge.
  std::string on_duplicate_key(const UpsertShape& shape) const;
  /// `WITH k (n, key columns) AS (VALUES `: the keys, each with its number.
  std::string with_keys(const UpsertShape& shape) const;
  /// `) SELECT n, value columns FROM …`: the rows of those keys that there are.
  std::string select_by_keys(const UpsertShape& shape, bool with_values) const;
  /// What stands before each row of with_keys.
  std::string_view row_constructor() const noexcept { return flavor_ == Flavor::kMariadb ? "" : "ROW"; }

 private:
  std::string database_;
  Flavor flavor_;
};

}  // namespace tidemark::sql::mysql
