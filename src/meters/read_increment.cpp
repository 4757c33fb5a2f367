#include <array>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/meters/totals.hpp"

namespace tidemark::meters {
namespace {

/// One statement, so that the counter and the watermark are of one moment. `key` is a reserved word of MariaDB, but not
/// behind a point; PostgreSQL compares its uuid only with a uuid.
std::string select_increment(const sql::Dialect& dialect) {
  const std::string key = dialect.engine() == sql::Engine::kPostgres ? "CAST(? AS uuid)" : "?";
  return "SELECT i.value, c.complete_through FROM " + dialect.table("increments") + " AS i LEFT JOIN " +
         dialect.table("tidemark_cursors") +
         " AS c ON c.flow = ? AND c.log_id = ? AND c.partition_id = ? WHERE i.tenant = ? AND i.key = " + key;
}

}  // namespace

Result<std::optional<IncrementTotal>> read_increment(sql::Session& session, std::string_view tenant,
                                                     std::string_view key, std::string_view log_id) {
  const auto uuid = arrivals::uuid_from_text(key);
  if (!uuid) return fail(Errc::kInvalidArgument, "key isn't a UUID of 36 characters");
  const std::array<sql::Value, 5> parameters{std::string("totals"), std::string(log_id), std::int64_t{0},
                                             std::string(tenant), arrivals::uuid_to_text(*uuid)};
  constexpr std::array kTypes{sql::Type::kInt, sql::Type::kTime};
  TIDEMARK_TRY_ASSIGN(const sql::Rows rows, session.query(select_increment(session.dialect()), parameters, kTypes));
  if (rows.empty()) return std::nullopt;
  IncrementTotal total;
  total.value = std::get<std::int64_t>(rows.front()[0]);
  if (const auto* through = std::get_if<Timestamp>(&rows.front()[1])) total.complete_through = *through;
  return total;
}

}  // namespace tidemark::meters
