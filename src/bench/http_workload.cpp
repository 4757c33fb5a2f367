#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <random>
#include <thread>

#include "http_load.hpp"
#include "server_process.hpp"
#include "tidemark/base/clock.hpp"
#include "workloads.hpp"

namespace tidemark::bench {
namespace {

using Steady = std::chrono::steady_clock;

/// Nothing answers here: the flow tries, and everything else goes on.
constexpr std::string_view kUnreachable = "postgres://127.0.0.1:9/none?connect_timeout=2";
constexpr seconds kTotalsTimeout{1800};
constexpr microseconds kIdentityWindow = std::chrono::hours(24 * 32);

struct Place {
  std::string host;
  std::uint16_t port = 0;
};

Result<Place> place_of(const std::string& url) {
  constexpr std::string_view kScheme = "http://";
  const auto colon = url.rfind(':');
  Place place;
  if (url.starts_with(kScheme) && colon > kScheme.size()) {
    place.host = url.substr(kScheme.size(), colon - kScheme.size());
    std::from_chars(url.data() + colon + 1, url.data() + url.size(), place.port);
  }
  if (place.port == 0) return fail(Errc::kInvalidArgument, "the server must be named as http://ADDRESS:PORT: " + url);
  return place;
}

/// What SQL holds of the meter, in the window size of which it holds least and most.
struct StoredTotals {
  EventTotals least;
  EventTotals most;
};

Result<StoredTotals> stored_totals(sql::Session& session) {
  StoredTotals stored;
  bool first = true;
  for (const char* size : {"TOTAL", "HOUR", "DAY", "MONTH"}) {
    const std::string statement = "SELECT SUM(events), SUM(value) FROM " + session.dialect().table("tidemark_totals") +
                                  " WHERE meter = ? AND window_size = ?";
    const std::array<sql::Value, 2> parameters = {std::string(kMeter), std::string(size)};
    const std::array<sql::Type, 2> types = {sql::Type::kDecimal, sql::Type::kDecimal};
    TIDEMARK_TRY_ASSIGN(const sql::Rows rows, session.query(statement, parameters, types));
    EventTotals totals;
    const auto whole = [](const sql::Value& value) -> std::uint64_t {
      const auto* number = std::get_if<Decimal>(&value);
      return number == nullptr ? 0 : std::stoull(number->to_string());
    };
    totals = {whole(rows[0][0]), whole(rows[0][1])};
    if (first || totals.events < stored.least.events) stored.least = totals;
    if (first || totals.events > stored.most.events) stored.most = totals;
    first = false;
  }
  return stored;
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

/// Waits until everything that had arrived by `moment` is in SQL.
Result<void> await_totals(sql::Database& database, Timestamp moment) {
  const auto deadline = Steady::now() + kTotalsTimeout;
  while (Steady::now() < deadline) {
    if (auto session = database.connect()) {
      const auto complete = complete_through(**session);
      if (complete && *complete >= moment) return {};
    }
    std::this_thread::sleep_for(milliseconds(100));
  }
  return fail(Errc::kTimeout, "the totals didn't become complete in time");
}

class HttpRun {
 public:
  HttpRun(const Options& options, const Surroundings& surroundings, Report& report)
      : options_(options), surroundings_(surroundings), report_(report) {}
  Result<void> run();

 private:
  Result<void> start_server(const std::string& database_url, const char* told_as);
  Result<void> prepare();
  Result<LoadResult> load();
  void tell(const LoadResult& result);
  Result<void> check(const LoadResult& result, Steady::time_point began);

  const Options& options_;
  const Surroundings& surroundings_;
  Report& report_;
  SystemClock clock_;
  std::string database_url_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<sql::Database> database_;
  EventTotals before_;
};

Result<void> HttpRun::start_server(const std::string& database_url, const char* told_as) {
  const std::string config = options_.directory + "/tidemark.yaml";
  std::ofstream(config) << meter_yaml();
  const auto began = Steady::now();
  TIDEMARK_TRY_ASSIGN(
      server_,
      ServerProcess::start(
          surroundings_.program,
          {"serve", "--config", config, "--data", options_.directory + "/data", "--listen", "127.0.0.1:0", "--database",
           database_url, "--keyset-memory-bytes", std::to_string(options_.keyset_memory_bytes), "--backlog-max-bytes",
           "64GiB", "--shutdown-timeout", database_url == kUnreachable ? "2s" : "600s", "--log-level", "warning"},
          options_.directory + "/server.log", options_.pinned));
  report_.add(told_as, std::chrono::duration<double>(Steady::now() - began).count());
  return {};
}

Result<void> HttpRun::prepare() {
  database_url_ = options_.database.empty() ? "sqlite:" + options_.directory + "/totals.db" : options_.database;
  if (options_.server.empty() || !options_.database.empty()) {
    TIDEMARK_TRY_ASSIGN(database_, surroundings_.open_database(database_url_));
  }
  if (!options_.server.empty()) {
    if (database_) {
      TIDEMARK_TRY(await_totals(*database_, clock_.now()));  // A server that has just started may have no tables yet.
      TIDEMARK_TRY_ASSIGN(const std::unique_ptr<sql::Session> session, database_->connect());
      TIDEMARK_TRY_ASSIGN(const StoredTotals stored, stored_totals(*session));
      before_ = stored.most;
    }
    return {};
  }
  const std::string data = options_.directory + "/data";
  if (options_.preloaded_claims > 0) {
    TIDEMARK_TRY(surroundings_.mark_data_directory(data));
    TIDEMARK_TRY(preload_claims(data, kIdentityWindow, options_));
  }
  return start_server(options_.flows ? database_url_ : std::string(kUnreachable), "server_start_seconds");
}

Result<LoadResult> HttpRun::load() {
  TIDEMARK_TRY_ASSIGN(const Place place, place_of(server_ ? server_->url() : options_.server));
  LoadOptions load;
  load.host = place.host;
  load.port = place.port;
  load.connections = options_.connections;
  load.rate = options_.rate;
  load.warm_up = options_.warm_up;
  load.measured = options_.measured;
  load.server_pid = server_ ? server_->pid() : options_.server_pid;
  EventStream stream(options_, std::random_device()() % 100'000'000, clock_.now(), place.host);
  return run_load(load, stream);
}

void HttpRun::tell(const LoadResult& result) {
  const double events = static_cast<double>(result.sent_events);
  report_.add("loop", std::string(options_.rate > 0 ? "open" : "closed"));
  if (options_.rate > 0) report_.add("intended_requests_per_second", options_.rate);
  report_.add("connections", std::uint64_t{options_.connections});
  report_.add("subjects", options_.subjects);
  report_.add("duplicates_share", options_.duplicates);
  report_.add("preloaded_claims", options_.preloaded_claims);
  report_.add("database", database_ ? database_->display_name() : std::string("not checked"));
  report_.add("flows", options_.flows);
  report_.add("pinned", options_.pinned);
  report_.add("measured_seconds", result.measured_seconds);
  report_.add("requests_per_second", static_cast<double>(result.requests) / result.measured_seconds);
  report_.add("events_per_second", events / result.measured_seconds);
  for (const auto& [name, share] : {std::pair("latency_p50_us", 0.5),
                                    {"latency_p90_us", 0.9},
                                    {"latency_p99_us", 0.99},
                                    {"latency_p999_us", 0.999}}) {
    report_.add(name, result.latency.percentile(share));
  }
  report_.add("latency_max_us", result.latency.largest());
  report_.add("generator_cpu_share", result.generator_cpu_seconds / result.measured_seconds);
  if (result.used && events > 0) {
    report_.add("server_cpu_share", result.used->cpu_seconds / result.measured_seconds);
    report_.add("server_cpu_seconds_per_million_events", result.used->cpu_seconds * 1e6 / events);
    report_.add("written_bytes_per_event", static_cast<double>(result.used->written_bytes) / events);
    report_.add("disk_bytes_per_event", static_cast<double>(result.used->disk_bytes) / events);
  }
  if (server_) report_.add("server_peak_resident_bytes", peak_resident_bytes(server_->pid()));
  report_.add("failed_requests", result.failed);
}

/// Waits for the totals and compares them with what was acknowledged.
Result<void> HttpRun::check(const LoadResult& result, Steady::time_point began) {
  if (!options_.flows && server_) {
    // Only now may the flow begin; the rate is that of catching up.
    TIDEMARK_TRY(server_->stop());
    began = Steady::now();
    TIDEMARK_TRY(start_server(database_url_, "server_restart_seconds"));
  }
  TIDEMARK_TRY(await_totals(*database_, clock_.now()));
  report_.add("totals_events_per_second", static_cast<double>(result.acknowledged.events) /
                                              std::chrono::duration<double>(Steady::now() - began).count());
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<sql::Session> session, database_->connect());
  TIDEMARK_TRY_ASSIGN(const StoredTotals stored, stored_totals(*session));
  EventTotals expected = before_;
  expected += result.acknowledged;
  if (server_) TIDEMARK_TRY(server_->stop());
  return conclude(report_, stored.least == expected && stored.most == expected,
                  "acknowledged " + std::to_string(expected.events) + " events of " + std::to_string(expected.amount) +
                      ", in SQL " + std::to_string(stored.least.events) + " of " + std::to_string(stored.least.amount) +
                      " in each window size");
}

Result<void> HttpRun::run() {
  TIDEMARK_TRY(prepare());
  const auto began = Steady::now();
  TIDEMARK_TRY_ASSIGN(const LoadResult result, load());
  tell(result);
  if (result.failed > 0) report_.add("first_failure", result.first_failure);
  if (!database_) return {};
  return check(result, began);
}

}  // namespace

Result<void> run_http(const Options& options, const Surroundings& surroundings, Report& report) {
  return HttpRun(options, surroundings, report).run();
}

}  // namespace tidemark::bench
