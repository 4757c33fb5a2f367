#include "dialect.hpp"

#include <span>
#include <vector>

#include "encoding.hpp"
#include "tidemark/sql/statement.hpp"

namespace tidemark::sql::postgres {
namespace {

// Rows are updated again and again: with half of each page free the new versions of all of them stay beside the old
// ones, and out of the index. Measured: half as many rows a second again as with 70.
constexpr std::string_view kRoomForUpdates = " WITH (fillfactor = 50)";

std::span<const UpsertColumn> key_columns(const UpsertShape& shape) {
  return std::span(shape.columns).first(key_column_count(shape));
}

std::span<const UpsertColumn> value_columns(const UpsertShape& shape) {
  return std::span(shape.columns).subspan(key_column_count(shape));
}

/// `prefix."a", prefix."b"`.
std::string names(std::span<const UpsertColumn> columns, std::string_view prefix = "") {
  std::vector<std::string> parts;
  for (const UpsertColumn& column : columns)
    parts.push_back(std::string(prefix) + quote_identifier(column.column.name));
  return join(parts, ", ");
}

/// `$1::text[]`, `$2::bigint[]`.
std::vector<std::string> arrays(std::span<const UpsertColumn> columns) {
  std::vector<std::string> arrays;
  for (const UpsertColumn& column : columns) {
    arrays.push_back("$" + std::to_string(arrays.size() + 1) +
                     "::" + std::string(array_element_name(column.column.type)) + "[]");
  }
  return arrays;
}

/// `unnest($1::text[], $2::bigint[])`, a table.
std::string unnest(std::span<const UpsertColumn> columns) {
  return "unnest(" + join(arrays(columns), ", ") + ")";
}

/// `unnest($1::text[]), unnest($2::bigint[])`, the same rows as a list to select: the server then hands on each as it
/// is taken from the arrays, where for a table it first copies each array into a store of its own.
std::string unnest_each(std::span<const UpsertColumn> columns) {
  return "unnest(" + join(arrays(columns), "), unnest(") + ")";
}

/// What the column becomes where the row exists, `t` being the row and `excluded` the new one.
std::string merged(const UpsertColumn& column, std::string_view order_by) {
  const std::string name = quote_identifier(column.column.name);
  const std::string old_value = "t." + name;
  const std::string new_value = "excluded." + name;
  switch (column.merge) {
    case Merge::kAdd:
      if (!column.column.nullable) return old_value + " + " + new_value;
      return "coalesce(" + old_value + " + " + new_value + ", " + old_value + ", " + new_value + ")";
    case Merge::kMin:  // Both leave NULL out.
      return "least(" + old_value + ", " + new_value + ")";
    case Merge::kMax:
      return "greatest(" + old_value + ", " + new_value + ")";
    case Merge::kLatest: {
      const std::string order = quote_identifier(order_by);
      return "CASE WHEN excluded." + order + " >= t." + order + " THEN " + new_value + " ELSE " + old_value + " END";
    }
    case Merge::kReplace:
    case Merge::kKey:
    case Merge::kKeep:
      break;
  }
  return new_value;
}

}  // namespace

std::string PostgresDialect::table(std::string_view name) const {
  return quote_identifier(schema_) + "." + quote_identifier(name);
}

std::string PostgresDialect::column_type(const Column& column) const {
  const std::string name = quote_identifier(column.name);
  const std::string size = std::to_string(column.size);
  switch (column.type) {
    case Type::kText:
    case Type::kKeyText:
      // Not varchar(n): it drops trailing blanks that don't fit without a word.
      return "text COLLATE \"C\" CHECK (char_length(" + name + ") <= " + size + ")";
    case Type::kLongText:
      return "text COLLATE \"C\"";
    case Type::kInt:
      return "bigint";
    case Type::kDecimal:
      return "numeric(38,12)";
    case Type::kTime:
      return "timestamptz";
    case Type::kBytes:
      return "bytea CHECK (octet_length(" + name + ") = " + size + ")";
    case Type::kUuid:
      return "uuid";
  }
  return {};
}

std::string PostgresDialect::create_table(const TableShape& shape) const {
  std::vector<std::string> parts;
  for (const Column& column : shape.columns) {
    parts.push_back(quote_identifier(column.name) + " " + column_type(column) + (column.nullable ? "" : " NOT NULL"));
  }
  std::vector<std::string> keys;
  for (const std::string_view key : shape.primary_key) keys.push_back(quote_identifier(key));
  parts.push_back("PRIMARY KEY (" + join(keys, ", ") + ")");
  return "CREATE TABLE IF NOT EXISTS " + table(shape.name) + " (" + join(parts, ", ") + ")" +
         (shape.insert_only ? "" : std::string(kRoomForUpdates));
}

std::string PostgresDialect::upsert(const UpsertShape& shape) const {
  std::vector<std::string> changes;
  for (const UpsertColumn& column : value_columns(shape)) {
    if (column.merge == Merge::kKeep) continue;
    changes.push_back(quote_identifier(column.column.name) + " = " + merged(column, shape.order_by));
  }
  return "INSERT INTO " + table(shape.table) + " AS t (" + names(shape.columns) + ") SELECT " +
         unnest_each(shape.columns) + " ON CONFLICT (" + names(key_columns(shape)) + ") DO " +
         (changes.empty() ? "NOTHING" : "UPDATE SET " + join(changes, ", "));
}

std::string PostgresDialect::insert_missing(const UpsertShape& shape) const {
  std::vector<std::string> same_key;
  for (const UpsertColumn& column : key_columns(shape)) {
    const std::string name = quote_identifier(column.column.name);
    same_key.push_back("i." + name + " = r." + name);
  }
  const std::string columns = names(shape.columns);
  return "WITH r AS (SELECT * FROM " + unnest(shape.columns) + " WITH ORDINALITY AS u (" + columns +
         ", \"tidemark ordinal\")), i AS (INSERT INTO " + table(shape.table) + " (" + columns + ") SELECT " + columns +
         " FROM r ON CONFLICT (" + names(key_columns(shape)) + ") DO NOTHING RETURNING " + names(key_columns(shape)) +
         ") SELECT r.\"tidemark ordinal\" FROM i JOIN r ON " + join(same_key, " AND ");
}

std::string PostgresDialect::read_by_key(const UpsertShape& shape) const {
  std::vector<std::string> same_key;
  for (const UpsertColumn& column : key_columns(shape)) {
    const std::string name = quote_identifier(column.column.name);
    same_key.push_back("t." + name + " = k." + name);
  }
  const std::string values = names(value_columns(shape), "t.");
  return "SELECT k.\"tidemark ordinal\"" + (values.empty() ? "" : ", " + values) + " FROM " +
         unnest(key_columns(shape)) + " WITH ORDINALITY AS k (" + names(key_columns(shape)) +
         ", \"tidemark ordinal\") JOIN " + table(shape.table) + " AS t ON " + join(same_key, " AND ");
}

}  // namespace tidemark::sql::postgres
