#include "dialect.hpp"

#include "tidemark/sql/statement.hpp"

namespace tidemark::sql::sqlite {
namespace {

/// SQLite bounds no type by itself, while the other databases do: the same values must be refused everywhere.
std::string size_check(const Column& column) {
  if (column.size == 0) return {};
  const char* comparison = column.type == Type::kBytes ? " = " : " <= ";
  return " CHECK (length(" + quote_identifier(column.name) + ")" + comparison + std::to_string(column.size) + ")";
}

std::string merge_expression(const UpsertShape& shape, const UpsertColumn& column) {
  const auto stored = [&](std::string_view name) {
    return quote_identifier(shape.table) + "." + quote_identifier(name);
  };
  const auto given = [](std::string_view name) { return "excluded." + quote_identifier(name); };
  const std::string old_value = stored(column.column.name);
  const std::string new_value = given(column.column.name);
  const auto call = [&](const char* function) {
    return std::string(function) + "(" + old_value + ", " + new_value + ")";
  };
  const bool decimal = column.column.type == Type::kDecimal;
  switch (column.merge) {
    case Merge::kAdd:
      return call(decimal ? "tidemark_decimal_add" : "tidemark_int_add");
    case Merge::kMin:
      return decimal ? call("tidemark_decimal_min")
                     : "coalesce(" + call("min") + ", " + old_value + ", " + new_value + ")";
    case Merge::kMax:
      return decimal ? call("tidemark_decimal_max")
                     : "coalesce(" + call("max") + ", " + old_value + ", " + new_value + ")";
    case Merge::kReplace:
      return new_value;
    case Merge::kLatest:
      return "CASE WHEN " + given(shape.order_by) + " >= " + stored(shape.order_by) + " THEN " + new_value + " ELSE " +
             old_value + " END";
    case Merge::kKey:
    case Merge::kKeep:
      break;
  }
  return old_value;
}

std::string insert_clause(const UpsertShape& shape, std::size_t rows = 1) {
  std::vector<std::string> names;
  std::vector<std::string> keys;
  for (const UpsertColumn& column : shape.columns) {
    names.push_back(quote_identifier(column.column.name));
    if (column.merge == Merge::kKey) keys.push_back(names.back());
  }
  const std::string row = "(" + join(std::vector<std::string>(names.size(), "?"), ", ") + ")";
  return "INSERT INTO " + quote_identifier(shape.table) + " (" + join(names, ", ") + ") VALUES " +
         join(std::vector<std::string>(rows, row), ", ") + " ON CONFLICT (" + join(keys, ", ") + ") DO ";
}

}  // namespace

std::string SqliteDialect::table(std::string_view name) const {
  return quote_identifier(name);
}

std::string SqliteDialect::create_table(const TableShape& shape) const {
  std::vector<std::string> parts;
  for (const Column& column : shape.columns) {
    parts.push_back(quote_identifier(column.name) + " " + column_type(column) + (column.nullable ? "" : " NOT NULL") +
                    size_check(column));
  }
  std::vector<std::string> keys;
  for (const std::string_view key : shape.primary_key) keys.push_back(quote_identifier(key));
  parts.push_back("PRIMARY KEY (" + join(keys, ", ") + ")");
  // With a rowid: measured, the file is half as large again, but updates in small transactions go twice as fast.
  return "CREATE TABLE IF NOT EXISTS " + table(shape.name) + " (" + join(parts, ", ") + ") STRICT";
}

std::string SqliteDialect::column_type(const Column& column) const {
  switch (column.type) {
    case Type::kInt:
      return "INTEGER";
    case Type::kDecimal:
      return "ANY";
    case Type::kBytes:
      return "BLOB";
    case Type::kText:
    case Type::kKeyText:
    case Type::kTime:
    case Type::kUuid:
    case Type::kLongText:
      break;
  }
  return "TEXT";
}

std::string upsert_statement(const UpsertShape& shape, std::size_t rows) {
  std::vector<std::string> assignments;
  for (const UpsertColumn& column : shape.columns) {
    if (column.merge == Merge::kKey || column.merge == Merge::kKeep) continue;
    assignments.push_back(quote_identifier(column.column.name) + " = " + merge_expression(shape, column));
  }
  if (assignments.empty()) return insert_clause(shape, rows) + "NOTHING";
  return insert_clause(shape, rows) + "UPDATE SET " + join(assignments, ", ");
}

std::string insert_missing_statement(const UpsertShape& shape) {
  return insert_clause(shape) + "NOTHING";
}

std::string read_statement(const UpsertShape& shape) {
  std::vector<std::string> values;
  std::vector<std::string> conditions;
  for (const UpsertColumn& column : shape.columns) {
    const std::string name = quote_identifier(column.column.name);
    if (column.merge == Merge::kKey) {
      conditions.push_back(name + " = ?");
    } else {
      values.push_back(name);
    }
  }
  // A shape that is all key still tells which rows are there.
  return "SELECT " + (values.empty() ? std::string("1") : join(values, ", ")) + " FROM " +
         quote_identifier(shape.table) + " WHERE " + join(conditions, " AND ");
}

}  // namespace tidemark::sql::sqlite
