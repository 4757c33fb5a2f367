#include "session.hpp"

#include <utility>

#include "literal.hpp"
#include "tidemark/sql/statement.hpp"

namespace tidemark::sql::mysql {
namespace {

constexpr std::size_t kMaxChunkRows = 10'000;

/// Appends `(literal, …)` of a row's first `columns`, after `before`.
Result<void> append_row(std::string& out, std::string_view before, const UpsertShape& shape, std::size_t columns,
                        const Batch& batch, std::size_t row) {
  out += before;
  for (std::size_t column = 0; column < columns; ++column) {
    if (column > 0) out += ',';
    TIDEMARK_TRY(append_literal(out, batch, row, column, shape.columns[column].column));
  }
  out += ')';
  return {};
}

Result<Row> read_row(const Answer& answer, unsigned first, std::span<const Type> types) {
  Row values;
  values.reserve(types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    const auto text = answer.text(first + static_cast<unsigned>(i));
    if (!text) {
      values.emplace_back(std::monostate{});
      continue;
    }
    TIDEMARK_TRY_ASSIGN(Value value, read_value(*text, types[i]));
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace

Result<void> MysqlSession::begin() {
  TIDEMARK_TRY(connection_->run("START TRANSACTION"));
  in_transaction_ = true;
  return {};
}

Result<void> MysqlSession::commit() {
  in_transaction_ = false;
  TIDEMARK_TRY(connection_->run("COMMIT"));
  return {};
}

void MysqlSession::rollback() noexcept {
  if (in_transaction_ && connection_->is_usable()) static_cast<void>(connection_->run("ROLLBACK"));
  in_transaction_ = false;
}

Result<Answer> MysqlSession::run(std::string_view statement, std::span<const Value> parameters) {
  if (parameters.empty()) return connection_->run(statement);
  const std::vector<std::string_view> pieces = split_at_placeholders(statement);
  if (pieces.size() != parameters.size() + 1) {
    return fail(Errc::kInternal, "a statement has another number of parameters than values were given");
  }
  statement_ = pieces.front();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    TIDEMARK_TRY(append_literal(statement_, parameters[i]));
    statement_ += pieces[i + 1];
  }
  return connection_->run(statement_);
}

Result<std::int64_t> MysqlSession::execute(std::string_view statement, std::span<const Value> parameters) {
  TIDEMARK_TRY_ASSIGN(const Answer answer, run(statement, parameters));
  return answer.affected_rows();
}

Result<Rows> MysqlSession::query(std::string_view statement, std::span<const Value> parameters,
                                 std::span<const Type> types) {
  TIDEMARK_TRY_ASSIGN(Answer answer, run(statement, parameters));
  if (answer.columns() != types.size()) {
    return fail(Errc::kInternal, "a query answers another number of columns than was asked for");
  }
  Rows rows;
  while (answer.next()) {
    TIDEMARK_TRY_ASSIGN(Row values, read_row(answer, 0, types));
    rows.push_back(std::move(values));
  }
  return rows;
}

Result<void> MysqlSession::upsert(const UpsertShape& shape, const Batch& batch) {
  const std::string head = dialect_.insert_into(shape);
  const std::string tail = dialect_.on_duplicate_key(shape);
  for (std::size_t row = 0; row < batch.rows();) {
    statement_ = head;
    const std::size_t begin = row;
    std::size_t whole_rows = 0;  // How long the statement is with the rows that fit.
    for (; row < batch.rows() && row - begin < kMaxChunkRows; ++row) {
      TIDEMARK_TRY(append_row(statement_, row == begin ? "(" : ",(", shape, shape.columns.size(), batch, row));
      if (row > begin && statement_.size() + tail.size() > max_statement_bytes_) break;
      whole_rows = statement_.size();
    }
    statement_.resize(whole_rows);
    statement_ += tail;
    TIDEMARK_TRY(connection_->run(statement_));
  }
  return {};
}

Result<MysqlSession::Chunk> MysqlSession::find_keys(
    const UpsertShape& shape, const Batch& batch, std::size_t begin, bool lock,
    const std::function<Result<void>(const Answer&, std::size_t row)>& take) {
  const std::size_t key_count = key_column_count(shape);
  const std::string tail = dialect_.select_by_keys(shape, !lock) + (lock ? " LOCK IN SHARE MODE" : "");
  statement_ = dialect_.with_keys(shape);
  std::size_t row = begin;
  std::size_t whole_rows = 0;
  for (; row < batch.rows() && row - begin < kMaxChunkRows; ++row) {
    if (row > begin) statement_ += ',';
    statement_.append(dialect_.row_constructor()).append("(").append(std::to_string(row));
    TIDEMARK_TRY(append_row(statement_, ",", shape, key_count, batch, row));
    if (row > begin && statement_.size() + tail.size() > max_statement_bytes_) break;
    whole_rows = statement_.size();
  }
  statement_.resize(whole_rows);
  statement_ += tail;
  TIDEMARK_TRY_ASSIGN(Answer answer, connection_->run(statement_));
  while (answer.next()) {
    TIDEMARK_TRY_ASSIGN(const Value number, read_value(answer.text(0).value_or(""), Type::kInt));
    TIDEMARK_TRY(take(answer, static_cast<std::size_t>(std::get<std::int64_t>(number))));
  }
  return Chunk{begin, row};
}

Result<void> MysqlSession::insert(const UpsertShape& shape, const Batch& batch, Chunk chunk,
                                  const std::function<bool(std::size_t)>& wanted) {
  const std::string head = dialect_.insert_into(shape);
  statement_ = head;
  std::size_t whole_rows = 0;
  const auto send = [&]() -> Result<void> {
    const auto done = connection_->run(std::string_view(statement_).substr(0, whole_rows));
    if (done) return {};
    if (done.error().code() != Errc::kConflict) return fail(done.error());
    // Between the look-up and here another transaction has inserted the key.
    return fail(Errc::kContention, done.error().message());
  };
  for (std::size_t row = chunk.begin; row < chunk.end; ++row) {
    if (!wanted(row)) continue;
    TIDEMARK_TRY(append_row(statement_, whole_rows == 0 ? "(" : ",(", shape, shape.columns.size(), batch, row));
    if (whole_rows > 0 && statement_.size() > max_statement_bytes_) {
      TIDEMARK_TRY(send());
      statement_ = head;
      TIDEMARK_TRY(append_row(statement_, "(", shape, shape.columns.size(), batch, row));
    }
    whole_rows = statement_.size();
  }
  return whole_rows == 0 ? Result<void>() : send();
}

Result<void> MysqlSession::insert_missing(const UpsertShape& shape, const Batch& batch, std::vector<bool>& inserted) {
  // Not INSERT IGNORE: it would hide rejected values as well.
  inserted.assign(batch.rows(), true);
  for (std::size_t begin = 0; begin < batch.rows();) {
    TIDEMARK_TRY_ASSIGN(const Chunk chunk, find_keys(shape, batch, begin, true, [&](const Answer&, std::size_t row) {
                          inserted[row] = false;
                          return Result<void>();
                        }));
    TIDEMARK_TRY(insert(shape, batch, chunk, [&](std::size_t row) -> bool { return inserted[row]; }));
    begin = chunk.end;
  }
  return {};
}

Result<std::vector<std::optional<Row>>> MysqlSession::read_by_key(const UpsertShape& shape, const Batch& keys) {
  std::vector<Type> types;
  for (std::size_t i = key_column_count(shape); i < shape.columns.size(); ++i) {
    types.push_back(shape.columns[i].column.type);
  }
  std::vector<std::optional<Row>> found(keys.rows());
  for (std::size_t begin = 0; begin < keys.rows();) {
    TIDEMARK_TRY_ASSIGN(const Chunk chunk, find_keys(shape, keys, begin, false,
                                                     [&](const Answer& answer, std::size_t row) -> Result<void> {
                                                       TIDEMARK_TRY_ASSIGN(found[row], read_row(answer, 1, types));
                                                       return {};
                                                     }));
    begin = chunk.end;
  }
  return found;
}

}  // namespace tidemark::sql::mysql
