#include <chrono>
#include <filesystem>
#include <random>

#include "http_load.hpp"
#include "measured_server.hpp"
#include "stored_totals.hpp"
#include "tidemark/base/clock.hpp"
#include "workloads.hpp"

namespace tidemark::bench {
namespace {

using Steady = std::chrono::steady_clock;

class HttpRun {
 public:
  HttpRun(const Options& options, const Surroundings& surroundings, Report& report)
      : options_(options), surroundings_(surroundings), report_(report) {}
  Result<void> run();

 private:
  Result<void> start_server(const std::string& database_url, const char* told_as);
  Result<void> read_before();
  Result<void> prepare();
  Result<LoadResult> load();
  void tell(const LoadResult& result);
  Result<void> check(const LoadResult& result, Steady::time_point began);

  const Options& options_;
  const Surroundings& surroundings_;
  Report& report_;
  SystemClock clock_;
  std::unique_ptr<ServerProcess> server_;
  std::unique_ptr<sql::Database> database_;
  EventTotals before_;
  std::uint64_t segments_before_ = 0;
};

Result<void> HttpRun::start_server(const std::string& database_url, const char* told_as) {
  const auto began = Steady::now();
  TIDEMARK_TRY_ASSIGN(server_, start_tidemark(options_, surroundings_, database_url));
  report_.add(told_as, std::chrono::duration<double>(Steady::now() - began).count());
  return {};
}

/// What SQL holds before the run, of a running server or of an earlier run in the same directory.
Result<void> HttpRun::read_before() {
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<sql::Session> session, database_->connect());
  TIDEMARK_TRY_ASSIGN(const StoredTotals stored, read_totals(*session));
  before_ = stored.most;
  return {};
}

Result<void> HttpRun::prepare() {
  if (options_.server.empty() || !options_.database.empty()) {
    TIDEMARK_TRY_ASSIGN(database_, surroundings_.open_database(database_url(options_)));
  }
  if (!options_.server.empty()) {
    if (!database_) return {};
    TIDEMARK_TRY(await_totals(*database_, clock_.now()));  // A server that has just started may have no tables yet.
    return read_before();
  }
  // A run checks that all is in SQL before it ends, so what an earlier one left there is complete.
  if (std::filesystem::exists(options_.directory + "/tidemark.yaml")) TIDEMARK_TRY(read_before());
  TIDEMARK_TRY(prepare_data(options_, surroundings_));
  segments_before_ = count_segments(options_);
  return start_server(options_.flows ? database_url(options_) : std::string(kUnreachable), "server_start_seconds");
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
  load.events_max = options_.events_max;
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
  report_.add("segments_before", segments_before_);
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
  if (options_.rate > 0) report_.add("unsent_requests", result.unsent);
  report_.add("generator_cpu_share", result.generator_cpu_seconds / result.measured_seconds);
  report_.add("host_steal_share", result.host_steal_share);
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
    TIDEMARK_TRY(start_server(database_url(options_), "server_restart_seconds"));
  }
  TIDEMARK_TRY(await_totals(*database_, clock_.now()));
  report_.add("totals_events_per_second", static_cast<double>(result.acknowledged.events) /
                                              std::chrono::duration<double>(Steady::now() - began).count());
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<sql::Session> session, database_->connect());
  TIDEMARK_TRY_ASSIGN(const StoredTotals stored, read_totals(*session));
  EventTotals expected = before_;
  expected += result.acknowledged;
  if (server_) TIDEMARK_TRY(server_->stop());
  return conclude(report_, stored.are(expected),
                  "acknowledged " + std::to_string(expected.events) + " events of " + std::to_string(expected.amount) +
                      ", in SQL " + stored.to_string());
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
