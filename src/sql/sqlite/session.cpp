#include "session.hpp"

#include "tidemark/base/assert.hpp"
#include "tidemark/sql/statement.hpp"
#include "values.hpp"

namespace tidemark::sql::sqlite {
namespace {

/// Rows of one upsert statement. Beginning and ending a statement costs as much as merging a row.
constexpr std::size_t kUpsertRows = 64;

/// A statement in use: whatever happens it ends reset, so that it holds no lock and no pointer into a batch.
class Running {
 public:
  explicit Running(sqlite3_stmt* statement) noexcept : statement_(statement) {}
  ~Running() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

 private:
  sqlite3_stmt* statement_;
};

}  // namespace

Result<void> SqliteSession::begin() {
  connection_->start_deadline();
  return connection_->run("BEGIN IMMEDIATE");
}

Result<void> SqliteSession::commit() {
  connection_->start_deadline();
  return connection_->run("COMMIT");
}

void SqliteSession::rollback() noexcept {
  connection_->start_deadline();
  // Fails only where SQLite has rolled back by itself, or the file is gone; closing the session undoes the rest.
  if (in_transaction()) static_cast<void>(connection_->run("ROLLBACK"));
}

Result<sqlite3_stmt*> SqliteSession::prepare(std::string_view text) {
  connection_->start_deadline();
  if (const auto found = prepared_.find(std::string(text)); found != prepared_.end()) return found->second.get();
  if (prepared_.size() >= kPreparedMax) prepared_.clear();
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(connection_->handle(), text.data(), static_cast<int>(text.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return fail(connection_->error(code));
  TIDEMARK_ASSERT(statement != nullptr);
  prepared_.emplace(text, statement);
  return statement;
}

Result<sqlite3_stmt*> SqliteSession::prepare_with(std::string_view text, std::span<const Value> parameters) {
  TIDEMARK_TRY_ASSIGN(sqlite3_stmt * statement, prepare(text));
  TIDEMARK_ASSERT(sqlite3_bind_parameter_count(statement) == static_cast<int>(parameters.size()));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const int code = bind_value(statement, static_cast<int>(i) + 1, parameters[i]);
    if (code != SQLITE_OK) return fail(connection_->error(code));
  }
  return statement;
}

Result<std::int64_t> SqliteSession::execute(std::string_view text, std::span<const Value> parameters) {
  TIDEMARK_TRY_ASSIGN(sqlite3_stmt * statement, prepare_with(text, parameters));
  const Running running(statement);
  const std::int64_t before = sqlite3_total_changes64(connection_->handle());
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(statement);
  if (code != SQLITE_DONE) return fail(connection_->error(code));
  // sqlite3_changes64 still answers for the statement before where this one, as DDL does, counts none.
  if (sqlite3_total_changes64(connection_->handle()) == before) return 0;
  return sqlite3_changes64(connection_->handle());
}

Result<Rows> SqliteSession::query(std::string_view text, std::span<const Value> parameters,
                                  std::span<const Type> types) {
  TIDEMARK_TRY_ASSIGN(sqlite3_stmt * statement, prepare_with(text, parameters));
  const Running running(statement);
  TIDEMARK_ASSERT(sqlite3_column_count(statement) == static_cast<int>(types.size()));
  Rows rows;
  int code = SQLITE_DONE;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    Row& row = rows.emplace_back();
    for (std::size_t column = 0; column < types.size(); ++column) {
      TIDEMARK_TRY_ASSIGN(Value value, read_column(statement, static_cast<int>(column), types[column]));
      row.push_back(std::move(value));
    }
  }
  if (code != SQLITE_DONE) return fail(connection_->error(code));
  return rows;
}

Result<void> SqliteSession::bind_row(sqlite3_stmt* statement, int first_parameter, const UpsertShape& shape,
                                     std::size_t columns, const Batch& batch, std::size_t row) {
  for (std::size_t column = 0; column < columns; ++column) {
    const int code = bind_cell(statement, first_parameter + static_cast<int>(column), shape.columns[column].column.type,
                               batch, row, column);
    if (code != SQLITE_OK) return fail(connection_->error(code));
  }
  return {};
}

Result<void> SqliteSession::upsert_rows(const UpsertShape& shape, const Batch& batch, std::size_t begin,
                                        std::size_t end, std::size_t at_once) {
  if (begin == end) return {};
  const std::size_t columns = shape.columns.size();
  TIDEMARK_TRY_ASSIGN(sqlite3_stmt * statement, prepare(upsert_statement(shape, at_once)));
  const Running running(statement);
  for (std::size_t row = begin; row < end;) {
    for (std::size_t i = 0; i < at_once; ++i, ++row) {
      TIDEMARK_TRY(bind_row(statement, static_cast<int>(i * columns) + 1, shape, columns, batch, row));
    }
    if (const int code = sqlite3_step(statement); code != SQLITE_DONE) return fail(connection_->error(code));
    sqlite3_reset(statement);
  }
  return {};
}

Result<void> SqliteSession::upsert(const UpsertShape& shape, const Batch& batch) {
  TIDEMARK_ASSERT(in_transaction());
  const std::size_t whole = batch.rows() - batch.rows() % kUpsertRows;
  TIDEMARK_TRY(upsert_rows(shape, batch, 0, whole, kUpsertRows));
  return upsert_rows(shape, batch, whole, batch.rows(), 1);
}

Result<void> SqliteSession::insert_missing(const UpsertShape& shape, const Batch& batch, std::vector<bool>& inserted) {
  TIDEMARK_ASSERT(in_transaction());
  inserted.assign(batch.rows(), false);
  TIDEMARK_TRY_ASSIGN(sqlite3_stmt * statement, prepare(insert_missing_statement(shape)));
  const Running running(statement);
  for (std::size_t row = 0; row < batch.rows(); ++row) {
    TIDEMARK_TRY(bind_row(statement, 1, shape, shape.columns.size(), batch, row));
    const int code = sqlite3_step(statement);
    if (code != SQLITE_DONE) return fail(connection_->error(code));
    inserted[row] = sqlite3_changes64(connection_->handle()) > 0;
    sqlite3_reset(statement);
  }
  return {};
}

Result<std::vector<std::optional<Row>>> SqliteSession::read_by_key(const UpsertShape& shape, const Batch& keys) {
  const std::size_t key_columns = key_column_count(shape);
  TIDEMARK_TRY_ASSIGN(sqlite3_stmt * statement, prepare(read_statement(shape)));
  const Running running(statement);
  std::vector<std::optional<Row>> found(keys.rows());
  for (std::size_t row = 0; row < keys.rows(); ++row) {
    TIDEMARK_TRY(bind_row(statement, 1, shape, key_columns, keys, row));
    const int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
      Row& values = found[row].emplace();
      for (std::size_t column = key_columns; column < shape.columns.size(); ++column) {
        TIDEMARK_TRY_ASSIGN(Value value, read_column(statement, static_cast<int>(column - key_columns),
                                                     shape.columns[column].column.type));
        values.push_back(std::move(value));
      }
    } else if (code != SQLITE_DONE) {
      return fail(connection_->error(code));
    }
    sqlite3_reset(statement);
  }
  return found;
}

}  // namespace tidemark::sql::sqlite
