#include "stored_totals.hpp"

#include <array>
#include <chrono>
#include <iostream>
#include <optional>
#include <thread>

#include "workloads.hpp"

namespace tidemark::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr seconds kTimeout{1800};
constexpr seconds kTellEvery{10};
constexpr milliseconds kPoll{100};

std::uint64_t whole(const sql::Value& value) {
  const auto* number = std::get_if<Decimal>(&value);
  return number == nullptr ? 0 : std::stoull(number->to_string());
}

/// When all that had arrived by then is in SQL; nothing while that isn't known.
std::optional<Timestamp> complete_through(sql::Session& session) {
  const std::string statement =
      "SELECT complete_through FROM " + session.dialect().table("tidemark_cursors") + " WHERE flow = 'totals'";
  const std::array<sql::Type, 1> types = {sql::Type::kTime};
  const auto rows = session.query(statement, {}, types);
  if (!rows || rows->empty() || !std::holds_alternative<Timestamp>((*rows)[0][0])) return std::nullopt;
  return std::get<Timestamp>((*rows)[0][0]);
}

}  // namespace

std::string StoredTotals::to_string() const {
  const auto text = [](const EventTotals& totals) {
    return std::to_string(totals.events) + " events of " + std::to_string(totals.amount);
  };
  if (least == most) return text(least) + " in each window size";
  return text(least) + " in one window size, " + text(most) + " in another";
}

Result<StoredTotals> read_totals(sql::Session& session) {
  StoredTotals stored;
  bool first = true;
  for (const char* size : {"TOTAL", "HOUR", "DAY", "MONTH"}) {
    const std::string statement = "SELECT SUM(events), SUM(value) FROM " + session.dialect().table("tidemark_totals") +
                                  " WHERE meter = ? AND window_size = ?";
    const std::array<sql::Value, 2> parameters = {std::string(kMeter), std::string(size)};
    const std::array<sql::Type, 2> types = {sql::Type::kDecimal, sql::Type::kDecimal};
    TIDEMARK_TRY_ASSIGN(const sql::Rows rows, session.query(statement, parameters, types));
    const EventTotals totals = {whole(rows[0][0]), whole(rows[0][1])};
    if (first || totals.events < stored.least.events) stored.least = totals;
    if (first || totals.events > stored.most.events) stored.most = totals;
    first = false;
  }
  return stored;
}

Result<void> await_totals(sql::Database& database, Timestamp moment) {
  const auto began = Steady::now();
  auto tell_at = began + kTellEvery;
  while (Steady::now() < began + kTimeout) {
    std::optional<Timestamp> complete;
    if (auto session = database.connect()) complete = complete_through(**session);
    if (complete && *complete >= moment) return {};
    if (Steady::now() >= tell_at) {
      std::cerr << "waiting for the totals, complete through "
                << (complete ? format_rfc3339(*complete) : std::string("nothing yet")) << ", wanted "
                << format_rfc3339(moment) << std::endl;
      tell_at += kTellEvery;
    }
    std::this_thread::sleep_for(kPoll);
  }
  return fail(Errc::kTimeout, "the totals didn't become complete in time");
}

}  // namespace tidemark::bench
