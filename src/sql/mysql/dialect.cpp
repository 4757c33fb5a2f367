#include "dialect.hpp"

#include <vector>

#include "tidemark/sql/statement.hpp"

namespace tidemark::sql::mysql {
namespace {

/// What the column becomes where the row exists. Assignments run from left to right and see the ones before them, which
/// is why a shape's order_by column comes last.
std::string merged(const UpsertColumn& column, std::string_view order_by) {
  const std::string name = quote_identifier(column.column.name);
  const std::string added = "VALUES(" + name + ")";
  const auto if_better = [&](std::string_view comparison) {
    return "IF(" + name + " IS NULL OR " + added + std::string(comparison) + name + ", " + added + ", " + name + ")";
  };
  switch (column.merge) {
    case Merge::kAdd:
      if (!column.column.nullable) return name + " + " + added;
      return "COALESCE(" + name + " + " + added + ", " + name + ", " + added + ")";
    case Merge::kMin:
      return if_better(" < ");
    case Merge::kMax:
      return if_better(" > ");
    case Merge::kLatest: {
      const std::string order = quote_identifier(order_by);
      return "IF(VALUES(" + order + ") >= " + order + ", " + added + ", " + name + ")";
    }
    case Merge::kReplace:
      return added;
    case Merge::kKey:
    case Merge::kKeep:
      break;
  }
  return name;
}

}  // namespace

std::string_view text_collation(Flavor flavor) noexcept {
  return flavor == Flavor::kMariadb ? "utf8mb4_nopad_bin" : "utf8mb4_0900_bin";
}

std::string MysqlDialect::table(std::string_view name) const {
  return quote_identifier(database_) + "." + quote_identifier(name);
}

std::string MysqlDialect::column_type(const Column& column) const {
  const std::string size = "(" + std::to_string(column.size) + ")";
  const std::string collated = " CHARACTER SET utf8mb4 COLLATE " + std::string(text_collation(flavor_));
  switch (column.type) {
    case Type::kText:
    case Type::kKeyText:
      return "varchar" + size + collated;
    case Type::kLongText:
      return "longtext" + collated;
    case Type::kInt:
      return "bigint";
    case Type::kDecimal:
      return "decimal(38,12)";
    case Type::kTime:
      return "datetime(6)";
    case Type::kBytes:
      return "binary" + size;
    case Type::kUuid:
      return "char(36) CHARACTER SET ascii COLLATE ascii_bin";
  }
  return {};
}

std::string MysqlDialect::create_table(const TableShape& shape) const {
  std::vector<std::string> parts;
  for (const Column& column : shape.columns) {
    parts.push_back(quote_identifier(column.name) + " " + column_type(column) +
                    (column.nullable ? " NULL" : " NOT NULL"));
  }
  std::vector<std::string> keys;
  for (const std::string_view key : shape.primary_key) keys.push_back(quote_identifier(key));
  parts.push_back("PRIMARY KEY (" + join(keys, ", ") + ")");
  return "CREATE TABLE IF NOT EXISTS " + table(shape.name) + " (" + join(parts, ", ") + ") ENGINE=InnoDB";
}

std::string MysqlDialect::insert_into(const UpsertShape& shape) const {
  std::vector<std::string> names;
  for (const UpsertColumn& column : shape.columns) names.push_back(quote_identifier(column.column.name));
  return "INSERT INTO " + table(shape.table) + " (" + join(names, ", ") + ") VALUES ";
}

std::string MysqlDialect::on_duplicate_key(const UpsertShape& shape) const {
  std::vector<std::string> changes;
  for (const UpsertColumn& column : shape.columns) {
    if (column.merge == Merge::kKey || column.merge == Merge::kKeep) continue;
    changes.push_back(quote_identifier(column.column.name) + " = " + merged(column, shape.order_by));
  }
  if (changes.empty()) {  // The clause can't be empty.
    const std::string key = quote_identifier(shape.columns.front().column.name);
    changes.push_back(key + " = " + key);
  }
  return " ON DUPLICATE KEY UPDATE " + join(changes, ", ");
}

std::string MysqlDialect::with_keys(const UpsertShape& shape) const {
  std::string columns = "n";
  for (std::size_t i = 0; i < key_column_count(shape); ++i) columns += ", k" + std::to_string(i);
  return "WITH keys_wanted (" + columns + ") AS (VALUES ";
}

std::string MysqlDialect::select_by_keys(const UpsertShape& shape, bool with_values) const {
  const std::size_t key_count = key_column_count(shape);
  std::string selected = "w.n";
  std::vector<std::string> same_key;
  for (std::size_t i = 0; i < shape.columns.size(); ++i) {
    const std::string name = "t." + quote_identifier(shape.columns[i].column.name);
    if (i < key_count) {
      same_key.push_back(name + " = w.k" + std::to_string(i));
    } else if (with_values) {
      selected += ", " + name;
    }
  }
  // From the keys to the rows, by the primary key, whatever the optimizer thinks of it.
  return ") SELECT " + selected + " FROM keys_wanted AS w STRAIGHT_JOIN " + table(shape.table) + " AS t ON " +
         join(same_key, " AND ");
}

}  // namespace tidemark::sql::mysql
