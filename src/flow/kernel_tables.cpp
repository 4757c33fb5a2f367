#include "kernel_tables.hpp"

#include "tidemark/base/crash_point.hpp"
#include "tidemark/flow/cursor.hpp"

namespace tidemark::flow {
namespace {

using sql::Merge;
using sql::Type;

constexpr std::string_view kSchemaTable = "tidemark_schema";

sql::TableShape schema_table() {
  return {kSchemaTable, {{"part", Type::kKeyText, 64}, {"version", Type::kInt}}, {"part"}};
}

sql::TableShape cursor_table() {
  return {kCursorTable,
          {{"flow", Type::kKeyText, 64},
           {"log_id", Type::kKeyText, 32},
           {"partition_id", Type::kInt},
           {"position", Type::kKeyText, 64},
           {"start_id", Type::kKeyText, 32},
           {"complete_through", Type::kTime, 0, true},
           {"updated_at", Type::kTime}},
          {"flow", "log_id", "partition_id"}};
}

sql::TableShape dead_letter_table() {
  const sql::UpsertShape& shape = dead_letter_shape();
  sql::TableShape table{shape.table, {}, {}};
  for (const sql::UpsertColumn& column : shape.columns) {
    table.columns.push_back(column.column);
    if (column.merge == Merge::kKey) table.primary_key.push_back(column.column.name);
  }
  table.columns.push_back({"resolved_at", Type::kTime, 0, true});
  return table;
}

MigrationStep create(sql::TableShape table) {
  return [table = std::move(table)](sql::Session& session) -> Result<void> {
    TIDEMARK_TRY(session.execute(session.dialect().create_table(table)));
    TIDEMARK_CRASH_POINT("flow.table_created");
    return {};
  };
}

Result<std::int64_t> stored_version(sql::Session& session, std::string_view part) {
  const std::vector<sql::Value> parameters{std::string(part)};
  TIDEMARK_TRY_ASSIGN(const sql::Rows rows,
                      session.query("SELECT version FROM " + session.dialect().table(kSchemaTable) + " WHERE part = ?",
                                    parameters, std::vector{Type::kInt}));
  return rows.empty() ? 0 : std::get<std::int64_t>(rows[0][0]);
}

Result<void> store_version(sql::Session& session, std::string_view part, std::int64_t version) {
  const std::vector<sql::Value> parameters{version, std::string(part)};
  const std::string table = session.dialect().table(kSchemaTable);
  TIDEMARK_TRY_ASSIGN(const std::int64_t matched,
                      session.execute("UPDATE " + table + " SET version = ? WHERE part = ?", parameters));
  if (matched > 0) return {};
  TIDEMARK_TRY(session.execute("INSERT INTO " + table + " (version, part) VALUES (?, ?)", parameters));
  return {};
}

}  // namespace

const sql::UpsertShape& dead_letter_shape() {
  static const sql::UpsertShape shape{"tidemark_dead_letters",
                                      {{{"flow", Type::kKeyText, 64}, Merge::kKey},
                                       {{"log_id", Type::kKeyText, 32}, Merge::kKey},
                                       {{"partition_id", Type::kInt}, Merge::kKey},
                                       {{"position", Type::kKeyText, 64}, Merge::kKey},
                                       {{"event_index", Type::kInt}, Merge::kKey},
                                       {{"tenant", Type::kKeyText, 64}, Merge::kKeep},
                                       {{"reason", Type::kKeyText, 32}, Merge::kKeep},
                                       {{"detail", Type::kLongText}, Merge::kKeep},
                                       {{"payload", Type::kLongText}, Merge::kKeep},
                                       {{"created_at", Type::kTime}, Merge::kKeep}},
                                      ""};
  return shape;
}

Result<void> migrate_part(sql::Session& session, std::string_view part, std::span<const MigrationStep> steps) {
  TIDEMARK_TRY(create(schema_table())(session));
  TIDEMARK_TRY_ASSIGN(const std::int64_t version, stored_version(session, part));
  const auto known = static_cast<std::int64_t>(steps.size());
  if (version > known) {
    return fail(Errc::kRefused,
                "the database was upgraded by a newer version of the server; run that version, or name "
                "another database; part: " +
                    std::string(part) + ", version: " + std::to_string(version) +
                    ", known here: " + std::to_string(known));
  }
  for (std::int64_t next = version; next < known; ++next) {
    TIDEMARK_TRY(steps[static_cast<std::size_t>(next)](session));
    TIDEMARK_CRASH_POINT("flow.after_migration_step");
    TIDEMARK_TRY(store_version(session, part, next + 1));
  }
  return {};
}

Result<void> migrate_kernel_tables(sql::Session& session) {
  static const MigrationStep kSteps[] = {
      [](sql::Session& to) -> Result<void> {
        TIDEMARK_TRY(create(cursor_table())(to));
        return create(dead_letter_table())(to);
      },
  };
  TIDEMARK_TRY(migrate_part(session, "kernel", kSteps));
  TIDEMARK_CRASH_POINT("flow.migrated_kernel");
  return {};
}

}  // namespace tidemark::flow
