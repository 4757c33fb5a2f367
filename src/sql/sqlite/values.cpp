#include "values.hpp"

namespace tidemark::sql::sqlite {
namespace {

std::string_view text_of(sqlite3_value* value) {
  const void* text = sqlite3_value_blob(value);  // Before its size: this call may convert.
  const auto size = static_cast<std::size_t>(sqlite3_value_bytes(value));
  return size == 0 ? std::string_view() : std::string_view(static_cast<const char*>(text), size);
}

/// Times compare as text, so all have the same width, which format_rfc3339 leaves out where seconds are whole.
std::string stored_time(Timestamp time) {
  std::string text = format_rfc3339(time);
  if (text.find('.') == std::string::npos) text.insert(text.size() - 1, ".000000");
  return text;
}

Result<Value> read_value(sqlite3_value* value, Type type) {
  switch (type) {
    case Type::kInt:
      if (sqlite3_value_type(value) != SQLITE_INTEGER) return fail(Errc::kCorrupt, "not an integer");
      return Value(sqlite3_value_int64(value));
    case Type::kDecimal: {
      TIDEMARK_TRY_ASSIGN(const Decimal decimal, read_decimal(value));
      return Value(decimal);
    }
    case Type::kTime: {
      TIDEMARK_TRY_ASSIGN(const Timestamp time, parse_rfc3339(text_of(value)));
      return Value(time);
    }
    case Type::kText:
    case Type::kKeyText:
    case Type::kLongText:
    case Type::kBytes:
    case Type::kUuid:
      break;
  }
  return Value(std::string(text_of(value)));
}

}  // namespace

int bind_text(sqlite3_stmt* statement, int parameter, std::string_view text) {
  const char* data = text.data() == nullptr ? "" : text.data();  // A null pointer would bind NULL.
  return sqlite3_bind_text64(statement, parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

int bind_decimal(sqlite3_stmt* statement, int parameter, Decimal value) {
  if (value.is_int64()) return sqlite3_bind_int64(statement, parameter, value.as_int64());
  const std::string text = value.to_string();
  return sqlite3_bind_text64(statement, parameter, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

int bind_time(sqlite3_stmt* statement, int parameter, Timestamp value) {
  const std::string text = stored_time(value);
  return sqlite3_bind_text64(statement, parameter, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

int bind_value(sqlite3_stmt* statement, int parameter, const Value& value) {
  struct Binder {
    sqlite3_stmt* statement;
    int parameter;
    int operator()(std::monostate) const { return sqlite3_bind_null(statement, parameter); }
    int operator()(std::int64_t number) const { return sqlite3_bind_int64(statement, parameter, number); }
    int operator()(const std::string& text) const { return bind_text(statement, parameter, text); }
    int operator()(Decimal decimal) const { return bind_decimal(statement, parameter, decimal); }
    int operator()(Timestamp time) const { return bind_time(statement, parameter, time); }
  };
  return std::visit(Binder{statement, parameter}, value);
}

int bind_cell(sqlite3_stmt* statement, int parameter, Type type, const Batch& batch, std::size_t row,
              std::size_t column) {
  if (batch.is_null(row, column)) return sqlite3_bind_null(statement, parameter);
  switch (type) {
    case Type::kInt:
      return sqlite3_bind_int64(statement, parameter, batch.integer(row, column));
    case Type::kDecimal:
      return bind_decimal(statement, parameter, batch.decimal(row, column));
    case Type::kTime:
      return bind_time(statement, parameter, batch.time(row, column));
    case Type::kBytes: {
      const std::string_view bytes = batch.text(row, column);
      return sqlite3_bind_blob64(statement, parameter, bytes.data(), bytes.size(), SQLITE_STATIC);
    }
    case Type::kText:
    case Type::kKeyText:
    case Type::kLongText:
    case Type::kUuid:
      break;
  }
  return bind_text(statement, parameter, batch.text(row, column));
}

Result<Decimal> read_decimal(sqlite3_value* value) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      return Decimal::from_int(sqlite3_value_int64(value));
    case SQLITE_TEXT:
      return Decimal::parse(text_of(value));
    default:
      return fail(Errc::kCorrupt, "neither an integer nor decimal text");
  }
}

Result<Value> read_column(sqlite3_stmt* statement, int column, Type type) {
  sqlite3_value* value = sqlite3_column_value(statement, column);
  if (sqlite3_value_type(value) == SQLITE_NULL) return Value();
  Result<Value> read = read_value(value, type);
  if (read) return read;
  return fail(Errc::kCorrupt, "a stored value can't be read: " + read.error().message() +
                                  "; column: " + sqlite3_column_name(statement, column));
}

}  // namespace tidemark::sql::sqlite
