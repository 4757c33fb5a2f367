#include <chrono>
#include <future>
#include <random>
#include <thread>

#include "http_load.hpp"
#include "measured_server.hpp"
#include "memory_samples.hpp"
#include "stored_totals.hpp"
#include "tidemark/base/clock.hpp"
#include "workloads.hpp"

namespace tidemark::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr double kDefaultSingleRate = 1'000;
constexpr int kSamplesMax = 2'000;
constexpr milliseconds kLeastSampleInterval{100};

class SoakRun {
 public:
  SoakRun(const Options& options, const Surroundings& surroundings, Report& report)
      : options_(options), surroundings_(surroundings), report_(report) {}
  Result<void> run();

 private:
  Result<LoadResult> load(Workload kind, double rate, std::size_t connections, std::uint32_t run);
  Result<void> send_and_sample();
  void tell(const std::string& name, double rate, const LoadResult& result);
  void tell_memory();
  Result<void> check();

  const Options& options_;
  const Surroundings& surroundings_;
  Report& report_;
  SystemClock clock_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<ServerProcess> server_;
  MemorySamples memory_;
  EventTotals acknowledged_;
};

/// One of the two loads, on a thread of its own.
Result<LoadResult> SoakRun::load(Workload kind, double rate, std::size_t connections, std::uint32_t run) {
  TIDEMARK_TRY_ASSIGN(const Place place, place_of(server_->url()));
  LoadOptions load;
  load.host = place.host;
  load.port = place.port;
  load.connections = connections;
  load.rate = rate;
  load.warm_up = options_.warm_up;
  load.measured = options_.measured;
  load.server_pid = server_->pid();
  Options of_stream = options_;
  of_stream.workload = kind;
  EventStream stream(of_stream, run, clock_.now(), place.host);
  return run_load(load, stream);
}

Result<void> SoakRun::send_and_sample() {
  constexpr std::size_t kBatchConnections = 4;
  const double rate = options_.rate > 0 ? options_.rate : kDefaultSingleRate;
  const std::uint32_t run = std::random_device()() % 99'999'999;
  const std::shared_future single =
      std::async(std::launch::async, [&] { return load(Workload::kSingle, rate, options_.connections, run); });
  const std::shared_future batch = std::async(
      std::launch::async, [&] { return load(Workload::kBatch, options_.batch_rate, kBatchConnections, run + 1); });
  const auto began = Steady::now();
  const milliseconds interval = std::max(kLeastSampleInterval, milliseconds(options_.measured) / kSamplesMax);
  std::this_thread::sleep_for(options_.warm_up);
  while (Steady::now() < began + options_.warm_up + options_.measured) {
    memory_.add(std::chrono::duration<double>(Steady::now() - began).count(), resident_bytes(server_->pid()));
    for (const auto& load : {single, batch}) {
      if (load.wait_for(seconds(0)) != std::future_status::ready || load.get()) continue;
      server_->kill_now();  // Ends the other load.
      return fail(load.get().error());
    }
    std::this_thread::sleep_for(interval);
  }
  if (!single.get()) return fail(single.get().error());
  if (!batch.get()) return fail(batch.get().error());
  tell("single", rate, *single.get());
  tell("batch", options_.batch_rate, *batch.get());
  return {};
}

void SoakRun::tell(const std::string& name, double rate, const LoadResult& result) {
  report_.add(name + "_intended_requests_per_second", rate);
  report_.add(name + "_requests_per_second", static_cast<double>(result.requests) / result.measured_seconds);
  report_.add(name + "_latency_p50_us", result.latency.percentile(0.5));
  report_.add(name + "_latency_p99_us", result.latency.percentile(0.99));
  report_.add(name + "_latency_max_us", result.latency.largest());
  report_.add(name + "_failed_requests", result.failed);
  if (result.failed > 0) report_.add(name + "_first_failure", result.first_failure);
  if (name == "single") {
    if (result.used) report_.add("server_cpu_share", result.used->cpu_seconds / result.measured_seconds);
    report_.add("host_steal_share", result.host_steal_share);
  }
  acknowledged_ += result.acknowledged;
}

void SoakRun::tell_memory() {
  report_.add("resident_first_bytes", memory_.first());
  report_.add("resident_last_bytes", memory_.last());
  report_.add("resident_largest_bytes", memory_.largest());
  report_.add("resident_slope_bytes_per_minute", memory_.slope_per_minute());
  report_.add("resident_slope_last_half_bytes_per_minute", memory_.slope_per_minute(0.5));
}

Result<void> SoakRun::check() {
  TIDEMARK_TRY(await_totals(*database_, clock_.now()));
  report_.add("resident_afterwards_bytes", resident_bytes(server_->pid()));
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<sql::Session> session, database_->connect());
  TIDEMARK_TRY_ASSIGN(const StoredTotals stored, read_totals(*session));
  TIDEMARK_TRY(server_->stop());
  return conclude(report_, stored.are(acknowledged_),
                  "acknowledged " + std::to_string(acknowledged_.events) + " events of " +
                      std::to_string(acknowledged_.amount) + ", in SQL " + stored.to_string());
}

Result<void> SoakRun::run() {
  TIDEMARK_TRY_ASSIGN(database_, surroundings_.open_database(database_url(options_)));
  report_.add("database", database_->display_name());
  report_.add("subjects", options_.subjects);
  report_.add("duplicates_share", options_.duplicates);
  report_.add("keyset_memory_bytes", options_.keyset_memory_bytes);
  report_.add("measured_seconds", static_cast<std::uint64_t>(options_.measured.count()));
  TIDEMARK_TRY(prepare_data(options_, surroundings_));
  TIDEMARK_TRY_ASSIGN(server_, start_tidemark(options_, surroundings_, database_url(options_)));
  TIDEMARK_TRY(send_and_sample());
  tell_memory();
  return check();
}

}  // namespace

Result<void> run_soak(const Options& options, const Surroundings& surroundings, Report& report) {
  return SoakRun(options, surroundings, report).run();
}

}  // namespace tidemark::bench
