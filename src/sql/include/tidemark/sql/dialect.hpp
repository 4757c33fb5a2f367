#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tidemark/sql/types.hpp"

namespace tidemark::sql {

struct TableShape {
  std::string_view name;
  std::vector<Column> columns;
  std::vector<std::string_view> primary_key;
  bool insert_only = false;  ///< Rows are never updated: PostgreSQL leaves no room for it beside them.
};

/// Writes the SQL that differs between databases, so that domain modules write theirs once. Identifiers may be quoted
/// with double quotes on every session (MySQL: ANSI_QUOTES); those that any of the databases reserves, such as `key`,
/// must be.
class Dialect {
 public:
  virtual ~Dialect() = default;
  virtual Engine engine() const noexcept = 0;
  /// The table's name as it stands in a statement: quoted, with the configured schema if the database has one.
  virtual std::string table(std::string_view name) const = 0;
  /// CREATE TABLE IF NOT EXISTS, with the collations and types of INTERFACES.
  virtual std::string create_table(const TableShape& shape) const = 0;
  /// The column's type as it is written in DDL.
  virtual std::string column_type(const Column& column) const = 0;
};

}  // namespace tidemark::sql
