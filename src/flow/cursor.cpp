#include "tidemark/flow/cursor.hpp"

#include <charconv>

#include "kernel_tables.hpp"

namespace tidemark::flow {
namespace {

using sql::Type;
using sql::Value;

constexpr std::string_view kWhereKey = R"( WHERE "flow" = ? AND "log_id" = ? AND "partition_id" = ?)";

std::vector<Value> key_values(const CursorKey& key) {
  return {key.flow, key.log_id, static_cast<std::int64_t>(key.partition)};
}

Value value_of(const std::optional<Timestamp>& time) {
  return time ? Value(*time) : Value();
}

std::string cursor_table(const sql::Session& session) {
  return session.dialect().table(kCursorTable);
}

/// Reads digits as position_text writes them: no sign, no leading zero.
template <class T>
bool read_number(std::string_view digits, T& number) {
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0')) return false;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  return error == std::errc() && stop == end;
}

}  // namespace

std::string position_text(log::Position position) {
  return std::to_string(position.offset) + "." + std::to_string(position.index);
}

Result<log::Position> parse_position(std::string_view text) {
  const std::size_t dot = text.find('.');
  log::Position position;
  if (dot == std::string_view::npos || !read_number(text.substr(0, dot), position.offset) ||
      !read_number(text.substr(dot + 1), position.index)) {
    return fail(Errc::kCorrupt, "not a log position, as 17.0: " + std::string(text));
  }
  return position;
}

Result<std::optional<Cursor>> read_cursor(sql::Session& session, const CursorKey& key) {
  const std::string query =
      R"(SELECT "position", "start_id", "complete_through" FROM )" + cursor_table(session) + std::string(kWhereKey);
  TIDEMARK_TRY_ASSIGN(const sql::Rows rows,
                      session.query(query, key_values(key), std::vector{Type::kKeyText, Type::kKeyText, Type::kTime}));
  if (rows.empty()) return std::nullopt;
  const sql::Row& row = rows[0];
  Cursor cursor{std::get<std::string>(row[0]), std::get<std::string>(row[1]), std::nullopt};
  if (const Timestamp* time = std::get_if<Timestamp>(&row[2])) cursor.complete_through = *time;
  return cursor;
}

Result<std::vector<std::string>> foreign_logs(sql::Session& session, const CursorKey& key) {
  const std::string query = R"(SELECT "log_id" FROM )" + cursor_table(session) +
                            R"( WHERE "flow" = ? AND "log_id" <> ? AND "partition_id" = ? ORDER BY "log_id")";
  TIDEMARK_TRY_ASSIGN(const sql::Rows rows, session.query(query, key_values(key), std::vector{Type::kKeyText}));
  std::vector<std::string> ids;
  for (const sql::Row& row : rows) ids.push_back(std::get<std::string>(row[0]));
  return ids;
}

Result<void> insert_cursor(sql::Session& session, const CursorKey& key, const Cursor& cursor, Timestamp now) {
  const std::string statement =
      "INSERT INTO " + cursor_table(session) +
      R"( ("flow", "log_id", "partition_id", "position", "start_id", "complete_through", "updated_at"))" +
      " VALUES (?, ?, ?, ?, ?, ?, ?)";
  std::vector<Value> parameters = key_values(key);
  parameters.insert(parameters.end(), {cursor.position, cursor.start_id, value_of(cursor.complete_through), now});
  TIDEMARK_TRY(session.execute(statement, parameters));
  return {};
}

Result<bool> advance_cursor(sql::Session& session, const CursorKey& key, const Cursor& from, const Cursor& to,
                            Timestamp now) {
  const std::string statement = "UPDATE " + cursor_table(session) +
                                R"( SET "position" = ?, "start_id" = ?, "complete_through" = ?, "updated_at" = ?)" +
                                std::string(kWhereKey) + R"( AND "position" = ? AND "start_id" = ?)";
  std::vector<Value> parameters{to.position, to.start_id, value_of(to.complete_through), now};
  for (Value& value : key_values(key)) parameters.push_back(std::move(value));
  parameters.emplace_back(from.position);
  parameters.emplace_back(from.start_id);
  TIDEMARK_TRY_ASSIGN(const std::int64_t matched, session.execute(statement, parameters));
  return matched == 1;
}

}  // namespace tidemark::flow
