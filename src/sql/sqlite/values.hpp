#pragma once

#include <sqlite3.h>

#include <string>

#include "tidemark/sql/batch.hpp"
#include "tidemark/sql/types.hpp"

/// How values stand in SQLite.
namespace tidemark::sql::sqlite {

/// Binds the value in the stored form of its type; parameters count from 1. `text` must stay until the next step.
int bind_text(sqlite3_stmt* statement, int parameter, std::string_view text);
int bind_decimal(sqlite3_stmt* statement, int parameter, Decimal value);
int bind_time(sqlite3_stmt* statement, int parameter, Timestamp value);
int bind_value(sqlite3_stmt* statement, int parameter, const Value& value);
int bind_cell(sqlite3_stmt* statement, int parameter, Type type, const Batch& batch, std::size_t row,
              std::size_t column);

/// Reads a stored decimal: INTEGER or decimal text.
Result<Decimal> read_decimal(sqlite3_value* value);

/// Reads a result column of the current row. Error kCorrupt when it doesn't hold such a value.
Result<Value> read_column(sqlite3_stmt* statement, int column, Type type);

}  // namespace tidemark::sql::sqlite
