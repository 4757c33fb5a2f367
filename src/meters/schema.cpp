#include "schema.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "tidemark/base/crash_point.hpp"
#include "tidemark/flow/cursor.hpp"
#include "window.hpp"

namespace tidemark::meters {
namespace {

using sql::Column;
using sql::Merge;
using sql::Type;

constexpr std::string_view kTotals = "tidemark_totals";
constexpr std::string_view kTotalsView = "tidemark_totals_view";
constexpr std::string_view kUniques = "tidemark_uniques";
constexpr std::string_view kIncrements = "increments";

constexpr std::array<Column, 6> kWindowKey{
    Column{"tenant", Type::kKeyText, kTenantChars}, Column{"meter", Type::kKeyText, 64},
    Column{"subject", Type::kText, kSubjectChars},  Column{"group_hash", Type::kBytes, 16},
    Column{"window_size", Type::kKeyText, 5},       Column{"window_start", Type::kTime}};

constexpr Column kValue{"value", Type::kDecimal};
constexpr Column kSum{"sum", Type::kDecimal, 0, /*nullable=*/true};
constexpr Column kEvents{"events", Type::kInt};
constexpr Column kUpdatedAt{"updated_at", Type::kTime};

std::vector<sql::UpsertColumn> window_key() {
  std::vector<sql::UpsertColumn> columns;
  for (const Column& column : kWindowKey) columns.push_back({column, Merge::kKey});
  return columns;
}

sql::UpsertShape make_totals_shape(Merge value) {
  sql::UpsertShape shape{kTotals, window_key(), "last_time"};
  shape.columns.push_back({{"group_values", Type::kLongText}, Merge::kKeep});
  shape.columns.push_back({kValue, value});
  shape.columns.push_back({kSum, value == Merge::kReplace ? Merge::kReplace : Merge::kKeep});
  shape.columns.push_back({kEvents, Merge::kAdd});
  shape.columns.push_back({{"first_time", Type::kTime}, Merge::kMin});
  shape.columns.push_back({{"last_time", Type::kTime}, Merge::kMax});
  shape.columns.push_back({kUpdatedAt, Merge::kReplace});
  return shape;
}

/// The table that holds a shape's rows.
sql::TableShape table_of(const sql::UpsertShape& shape) {
  sql::TableShape table{shape.table, {}, {}};
  for (const sql::UpsertColumn& column : shape.columns) {
    table.columns.push_back(column.column);
    if (column.merge == Merge::kKey) table.primary_key.push_back(column.column.name);
  }
  table.insert_only = std::all_of(shape.columns.begin(), shape.columns.end(), [](const sql::UpsertColumn& column) {
    return column.merge == Merge::kKey || column.merge == Merge::kKeep;
  });
  return table;
}

/// CREATE OR REPLACE keeps the views that a user has built on ours; SQLite doesn't have it.
std::string create_totals_view(const sql::Dialect& dialect) {
  const std::string verb =
      dialect.engine() == sql::Engine::kSqlite ? "CREATE VIEW IF NOT EXISTS " : "CREATE OR REPLACE VIEW ";
  return verb + dialect.table(kTotalsView) +
         " AS SELECT tenant, meter, subject, group_values, window_size, window_start, value, sum, events, first_time,"
         " last_time, updated_at FROM " +
         dialect.table(kTotals);
}

/// MariaDB can't limit a subquery of IN, the others can't limit a DELETE.
std::string prune_statement(const sql::Dialect& dialect) {
  const std::string table = dialect.table(kUniques);
  const std::string ended = " WHERE window_size = ? AND window_start < ? LIMIT ?";
  if (dialect.engine() == sql::Engine::kMysql) return "DELETE FROM " + table + ended;
  const std::string key = "tenant, meter, subject, group_hash, window_size, window_start, member";
  return "DELETE FROM " + table + " WHERE (" + key + ") IN (SELECT " + key + " FROM " + table + ended + ")";
}

/// Pruning finds ended windows by it. MySQL has no IF NOT EXISTS for an index.
Result<void> create_prune_index(sql::Session& session) {
  const sql::Dialect& dialect = session.dialect();
  std::string if_missing = "IF NOT EXISTS ";
  if (dialect.engine() == sql::Engine::kMysql) {
    constexpr std::array kTypes{Type::kInt};
    TIDEMARK_TRY_ASSIGN(
        const sql::Rows found,
        session.query("SELECT count(*) FROM information_schema.statistics WHERE table_schema = DATABASE() "
                      "AND table_name = 'tidemark_uniques' AND index_name = 'tidemark_uniques_by_window'",
                      {}, kTypes));
    if (std::get<std::int64_t>(found.front().front()) > 0) return {};
    if_missing.clear();
  }
  TIDEMARK_TRY(session.execute("CREATE INDEX " + if_missing + "tidemark_uniques_by_window ON " +
                               dialect.table(kUniques) + " (window_size, window_start)"));
  return {};
}

Result<void> create_tables(sql::Session& session) {
  const sql::Dialect& dialect = session.dialect();
  for (const sql::UpsertShape* shape : {&totals_shape(Aggregation::kSum), &uniques_shape(), &increments_shape()}) {
    TIDEMARK_TRY(session.execute(dialect.create_table(table_of(*shape))));
    TIDEMARK_CRASH_POINT("meters.table_created");
  }
  TIDEMARK_TRY(create_prune_index(session));
  TIDEMARK_CRASH_POINT("meters.index_created");
  TIDEMARK_TRY(session.execute(create_totals_view(dialect)));
  return {};
}

}  // namespace

const sql::UpsertShape& totals_shape(Aggregation aggregation) {
  static const sql::UpsertShape add = make_totals_shape(Merge::kAdd);
  static const sql::UpsertShape min = make_totals_shape(Merge::kMin);
  static const sql::UpsertShape max = make_totals_shape(Merge::kMax);
  static const sql::UpsertShape latest = make_totals_shape(Merge::kLatest);
  static const sql::UpsertShape replace = make_totals_shape(Merge::kReplace);
  switch (aggregation) {
    case Aggregation::kCount:
    case Aggregation::kSum:
    case Aggregation::kUniqueCount:
      return add;
    case Aggregation::kMin:
      return min;
    case Aggregation::kMax:
      return max;
    case Aggregation::kLatest:
      return latest;
    case Aggregation::kAvg:
      return replace;
  }
  return add;
}

const sql::UpsertShape& stored_totals_shape() {
  static const sql::UpsertShape shape = [] {
    sql::UpsertShape stored{kTotals, window_key(), {}};
    for (const Column& column : {kValue, kSum, kEvents}) stored.columns.push_back({column, Merge::kKeep});
    return stored;
  }();
  return shape;
}

const sql::UpsertShape& uniques_shape() {
  static const sql::UpsertShape shape = [] {
    sql::UpsertShape uniques{kUniques, window_key(), {}};
    uniques.columns.push_back({{"member", Type::kBytes, 16}, Merge::kKey});
    return uniques;
  }();
  return shape;
}

const sql::UpsertShape& increments_shape() {
  static const sql::UpsertShape shape{kIncrements,
                                      {{{"tenant", Type::kKeyText, kTenantChars}, Merge::kKey},
                                       {{"key", Type::kUuid}, Merge::kKey},
                                       {{"value", Type::kInt}, Merge::kAdd},
                                       {kUpdatedAt, Merge::kReplace}},
                                      {}};
  return shape;
}

Result<void> migrate_tables(sql::Session& session) {
  const std::array<flow::MigrationStep, 1> steps{create_tables};
  TIDEMARK_TRY(flow::migrate_part(session, "meters", steps));
  TIDEMARK_CRASH_POINT("meters.migrated");
  return {};
}

Result<std::int64_t> prune_uniques(sql::Session& session, Timestamp horizon, std::int64_t rows) {
  const std::string statement = prune_statement(session.dialect());
  std::int64_t dropped = 0;
  for (const WindowSize size : {WindowSize::kHour, WindowSize::kDay, WindowSize::kMonth}) {
    const std::array<sql::Value, 3> parameters{std::string(window_size_name(size)), window_start(size, horizon),
                                               rows - dropped};
    TIDEMARK_TRY_ASSIGN(const std::int64_t count, session.execute(statement, parameters));
    dropped += count;
    if (dropped >= rows) break;
  }
  return dropped;
}

}  // namespace tidemark::meters
