#include "totals_command.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <thread>
#include <vector>

namespace tidemark::app {
namespace {

using sql::Type;

struct TotalRow {
  std::string meter;
  std::string subject;
  std::string groups;
  std::string window;
  std::string value;
  std::int64_t events = 0;
};

/// The oldest watermark of the flow that fills the totals.
Result<std::optional<Timestamp>> complete_through(sql::Session& session) {
  const std::string statement =
      "SELECT MIN(complete_through) FROM " + session.dialect().table("tidemark_cursors") + " WHERE flow = ?";
  const std::array<sql::Value, 1> parameters = {std::string("totals")};
  const std::array<Type, 1> types = {Type::kTime};
  TIDEMARK_TRY_ASSIGN(const sql::Rows rows, session.query(statement, parameters, types));
  if (rows.empty() || !std::holds_alternative<Timestamp>(rows[0][0])) return std::optional<Timestamp>();
  return std::optional(std::get<Timestamp>(rows[0][0]));
}

Result<std::vector<std::string>> meters_of(sql::Session& session, const TotalsQuery& query) {
  if (!query.meter.empty()) return std::vector<std::string>{query.meter};
  const std::string statement =
      "SELECT DISTINCT meter FROM " + session.dialect().table("tidemark_totals") + " ORDER BY meter";
  const std::array<Type, 1> types = {Type::kKeyText};
  TIDEMARK_TRY_ASSIGN(const sql::Rows rows, session.query(statement, {}, types));
  std::vector<std::string> meters;
  for (const sql::Row& row : rows) meters.push_back(std::get<std::string>(row[0]));
  return meters;
}

Result<std::vector<TotalRow>> largest(sql::Session& session, const std::string& meter, const TotalsQuery& query) {
  // `value + 0` orders decimals that SQLite keeps as text by their size.
  const std::string statement =
      "SELECT subject, group_values, window_start, value, events FROM " + session.dialect().table("tidemark_totals") +
      " WHERE meter = ? AND window_size = ? ORDER BY value + 0 DESC, subject LIMIT " + std::to_string(query.limit);
  const std::array<sql::Value, 2> parameters = {meter, query.window_size};
  const std::array<Type, 5> types = {Type::kText, Type::kLongText, Type::kTime, Type::kDecimal, Type::kInt};
  TIDEMARK_TRY_ASSIGN(const sql::Rows rows, session.query(statement, parameters, types));
  std::vector<TotalRow> totals;
  for (const sql::Row& row : rows) {
    TotalRow total;
    total.meter = meter;
    total.subject = std::get<std::string>(row[0]);
    total.groups = std::get<std::string>(row[1]);
    total.window = query.window_size == "TOTAL" ? "TOTAL" : format_rfc3339(std::get<Timestamp>(row[2]));
    if (const auto* value = std::get_if<Decimal>(&row[3])) total.value = value->to_string();
    total.events = std::get<std::int64_t>(row[4]);
    totals.push_back(std::move(total));
  }
  return totals;
}

/// Characters, not bytes: good enough for aligning most scripts.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void print_table(const std::vector<TotalRow>& rows, std::ostream& out) {
  std::vector<std::array<std::string, 5>> cells = {{"meter", "subject", "window", "value", "events"}};
  for (const TotalRow& row : rows) {
    const std::string subject = row.groups == "{}" ? row.subject : row.subject + " " + row.groups;
    cells.push_back({row.meter, subject, row.window, row.value, std::to_string(row.events)});
  }
  std::array<std::size_t, 5> widths{};
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      const std::string padding(widths[i] - width(line[i]), ' ');
      const bool number = i >= 3;
      out << (i == 0 ? "  " : "   ") << (number ? padding + line[i] : line[i] + padding);
    }
    out << '\n';
  }
}

}  // namespace

Result<void> print_totals(sql::Database& database, Clock& clock, const TotalsQuery& query, std::ostream& out) {
  const Timestamp asked = clock.now();
  const MonotonicTime deadline = clock.monotonic() + query.wait;
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<sql::Session> session, database.connect());
  std::optional<Timestamp> complete;
  for (;;) {
    auto read = complete_through(*session);
    if (!read && query.wait.count() == 0) return fail(read.error().with_context("reading the totals"));
    if (read) complete = *read;
    if (query.wait.count() == 0 || (complete && *complete >= asked)) break;
    if (clock.monotonic() >= deadline) {
      return fail(Errc::kTimeout, "the totals didn't become complete in time; see the server's log or /readyz");
    }
    std::this_thread::sleep_for(milliseconds(100));
  }
  TIDEMARK_TRY_ASSIGN(const std::vector<std::string> meters, meters_of(*session, query));
  std::vector<TotalRow> rows;
  for (const std::string& meter : meters) {
    TIDEMARK_TRY_ASSIGN(std::vector<TotalRow> some, largest(*session, meter, query));
    rows.insert(rows.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
  }
  if (query.json) {
    nlohmann::ordered_json answer;
    if (complete) answer["complete_through"] = format_rfc3339(*complete);
    answer["totals"] = nlohmann::ordered_json::array();
    for (const TotalRow& row : rows) {
      answer["totals"].push_back({{"meter", row.meter},
                                  {"subject", row.subject},
                                  {"group_values", nlohmann::ordered_json::parse(row.groups, nullptr, false)},
                                  {"window", row.window},
                                  {"value", row.value},
                                  {"events", row.events}});
    }
    out << answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
    return {};
  }
  out << "\nThe largest totals in " << database.display_name();
  if (complete) out << ", complete through " << format_rfc3339(*complete);
  out << ":\n\n";
  if (rows.empty()) {
    out << "  none yet\n";
  } else {
    print_table(rows, out);
  }
  return {};
}

}  // namespace tidemark::app
