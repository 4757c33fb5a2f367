#include "session.hpp"

#include "tidemark/sql/statement.hpp"

namespace tidemark::sql::postgres {
namespace {

// One statement of a bulk write: enough rows that the round trip doesn't show, and memory that stays small on both
// sides.
constexpr std::size_t kMaxChunkRows = 20'000;
constexpr std::size_t kMaxChunkBytes = std::size_t{8} << 20;

constexpr std::size_t kCellBytes = 20;  // Of a number or a time, its length included; text comes on top.

Oid oid_of(const Value& value) noexcept {
  if (std::holds_alternative<std::int64_t>(value)) return Oid::kInt8;
  if (std::holds_alternative<Decimal>(value)) return Oid::kNumeric;
  if (std::holds_alternative<Timestamp>(value)) return Oid::kTimestamptz;
  return Oid::kUnknown;  // Text may be a uuid: the server says, from where the parameter stands.
}

bool holds_text(Type type) noexcept {
  return type != Type::kInt && type != Type::kDecimal && type != Type::kTime;
}

std::size_t row_bytes(const UpsertShape& shape, std::size_t columns, const Batch& batch, std::size_t row) {
  std::size_t bytes = columns * kCellBytes;
  for (std::size_t column = 0; column < columns; ++column) {
    if (holds_text(shape.columns[column].column.type) && !batch.is_null(row, column)) {
      bytes += batch.text(row, column).size();
    }
  }
  return bytes;
}

/// Where the chunk that begins at `begin` ends: at least one row on.
std::size_t chunk_end(const UpsertShape& shape, std::size_t columns, const Batch& batch, std::size_t begin) {
  std::size_t bytes = 0;
  std::size_t end = begin;
  while (end < batch.rows() && end - begin < kMaxChunkRows) {
    bytes += row_bytes(shape, columns, batch, end);
    if (bytes > kMaxChunkBytes && end > begin) break;
    ++end;
  }
  return end;
}

bool is_ddl(std::string_view tag) noexcept {
  return tag.starts_with("CREATE") || tag.starts_with("ALTER") || tag.starts_with("DROP");
}

Result<std::size_t> read_ordinal(const Answer& answer, int row) {
  TIDEMARK_TRY_ASSIGN(const Value value, read_value(answer.bytes(row, 0), answer.oid(0), Type::kInt));
  return static_cast<std::size_t>(std::get<std::int64_t>(value) - 1);
}

/// Reads the columns of a result row from `first` on.
Result<Row> read_row(const Answer& answer, int row, int first, std::span<const Type> types) {
  Row values;
  values.reserve(types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    const int column = first + static_cast<int>(i);
    if (answer.is_null(row, column)) {
      values.emplace_back(std::monostate{});
      continue;
    }
    TIDEMARK_TRY_ASSIGN(Value value, read_value(answer.bytes(row, column), answer.oid(column), types[i]));
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace

Result<void> PostgresSession::begin() {
  TIDEMARK_TRY(connection_->run("BEGIN ISOLATION LEVEL READ COMMITTED"));
  return {};
}

Result<void> PostgresSession::commit() {
  TIDEMARK_TRY_ASSIGN(const Answer answer, connection_->run("COMMIT"));
  // After an error within the transaction COMMIT succeeds by undoing it.
  if (answer.tag() != "COMMIT") {
    return fail(Errc::kContention, "PostgreSQL rolled back a transaction that had failed before its COMMIT");
  }
  return {};
}

void PostgresSession::rollback() noexcept {
  if (connection_->is_usable() && connection_->in_transaction()) static_cast<void>(connection_->run("ROLLBACK"));
}

Result<Answer> PostgresSession::run(std::string_view statement, std::span<const Value> parameters) {
  std::vector<Oid> types;
  for (const Value& value : parameters) types.push_back(oid_of(value));
  TIDEMARK_TRY_ASSIGN(const Prepared* prepared, connection_->prepare(number_placeholders(statement), types));
  Parameters binary;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    if (std::holds_alternative<std::monostate>(parameters[i])) {
      binary.add_null();
      continue;
    }
    std::string bytes;
    TIDEMARK_TRY(append_value(bytes, prepared->parameter_types[i], parameters[i]));
    binary.add(std::move(bytes));
  }
  return connection_->run(*prepared, binary);
}

Result<std::int64_t> PostgresSession::execute(std::string_view statement, std::span<const Value> parameters) {
  if (parameters.empty()) {  // DDL, mostly: run once, not worth preparing.
    TIDEMARK_TRY_ASSIGN(const Answer answer, connection_->run(std::string(statement)));
    // A table may have other columns now than the statements that were parsed before know.
    if (is_ddl(answer.tag())) TIDEMARK_TRY(connection_->forget_statements());
    return answer.affected_rows();
  }
  TIDEMARK_TRY_ASSIGN(const Answer answer, run(statement, parameters));
  return answer.affected_rows();
}

Result<Rows> PostgresSession::query(std::string_view statement, std::span<const Value> parameters,
                                    std::span<const Type> types) {
  TIDEMARK_TRY_ASSIGN(const Answer answer, run(statement, parameters));
  if (static_cast<std::size_t>(answer.columns()) != types.size()) {
    return fail(Errc::kInternal, "a query answers another number of columns than was asked for");
  }
  Rows rows;
  rows.reserve(static_cast<std::size_t>(answer.rows()));
  for (int row = 0; row < answer.rows(); ++row) {
    TIDEMARK_TRY_ASSIGN(Row values, read_row(answer, row, 0, types));
    rows.push_back(std::move(values));
  }
  return rows;
}

Result<void> PostgresSession::run_in_chunks(const std::string& statement, const UpsertShape& shape, std::size_t columns,
                                            const Batch& batch,
                                            const std::function<Result<void>(const Answer&, std::size_t)>& take) {
  if (batch.rows() == 0) return {};
  // The casts within the statement type its parameters.
  TIDEMARK_TRY_ASSIGN(const Prepared* prepared, connection_->prepare(statement, {}));
  for (std::size_t begin = 0; begin < batch.rows();) {
    const std::size_t end = chunk_end(shape, columns, batch, begin);
    Parameters arrays;
    for (std::size_t column = 0; column < columns; ++column) {
      std::string array;
      TIDEMARK_TRY(append_array(array, batch, column, shape.columns[column].column.type, begin, end));
      arrays.add(std::move(array));
    }
    TIDEMARK_TRY_ASSIGN(const Answer answer, connection_->run(*prepared, arrays));
    TIDEMARK_TRY(take(answer, begin));
    begin = end;
  }
  return {};
}

Result<void> PostgresSession::upsert(const UpsertShape& shape, const Batch& batch) {
  return run_in_chunks(dialect_.upsert(shape), shape, shape.columns.size(), batch,
                       [](const Answer&, std::size_t) -> Result<void> { return {}; });
}

Result<void> PostgresSession::insert_missing(const UpsertShape& shape, const Batch& batch,
                                             std::vector<bool>& inserted) {
  inserted.assign(batch.rows(), false);
  return run_in_chunks(dialect_.insert_missing(shape), shape, shape.columns.size(), batch,
                       [&](const Answer& answer, std::size_t begin) -> Result<void> {
                         for (int row = 0; row < answer.rows(); ++row) {
                           TIDEMARK_TRY_ASSIGN(const std::size_t ordinal, read_ordinal(answer, row));
                           inserted[begin + ordinal] = true;
                         }
                         return {};
                       });
}

Result<std::vector<std::optional<Row>>> PostgresSession::read_by_key(const UpsertShape& shape, const Batch& keys) {
  const std::size_t key_count = key_column_count(shape);
  std::vector<Type> types;
  for (std::size_t i = key_count; i < shape.columns.size(); ++i) types.push_back(shape.columns[i].column.type);
  std::vector<std::optional<Row>> found(keys.rows());
  TIDEMARK_TRY(run_in_chunks(dialect_.read_by_key(shape), shape, key_count, keys,
                             [&](const Answer& answer, std::size_t begin) -> Result<void> {
                               for (int row = 0; row < answer.rows(); ++row) {
                                 TIDEMARK_TRY_ASSIGN(const std::size_t ordinal, read_ordinal(answer, row));
                                 TIDEMARK_TRY_ASSIGN(found[begin + ordinal], read_row(answer, row, 1, types));
                               }
                               return {};
                             }));
  return found;
}

}  // namespace tidemark::sql::postgres
