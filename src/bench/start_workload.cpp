#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "measured_server.hpp"
#include "process_usage.hpp"
#include "stored_totals.hpp"
#include "tidemark/base/clock.hpp"
#include "workloads.hpp"

namespace tidemark::bench {
namespace {

using Steady = std::chrono::steady_clock;

constexpr milliseconds kReadyTimeout{300'000};

/// Has the kernel drop what it holds of the files below `folder`: the next reader goes to the disk. Where the disk is
/// virtual its host may hold them still.
void evict(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
    if (!entry.is_regular_file(error)) continue;
    const int file = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) continue;
    fdatasync(file);
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
  }
}

/// The number behind the last `name=` in a text; 0 when there is none.
std::uint64_t last_number(const std::string& text, const std::string& name) {
  const auto at = text.rfind(name + "=");
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at + name.size() + 1, nullptr, 10);
}

class StartRun {
 public:
  StartRun(const Options& options, const Surroundings& surroundings, Report& report)
      : options_(options), surroundings_(surroundings), report_(report) {}
  Result<void> run();

 private:
  Result<void> start(const Options& options, const std::string& name);
  Result<void> watch_idle();
  Result<void> prepare();
  Result<void> check();

  const Options& options_;
  const Surroundings& surroundings_;
  Report& report_;
  SystemClock clock_;
  std::unique_ptr<sql::Database> database_;
  std::unique_ptr<ServerProcess> server_;
  Tail tail_;
};

/// Starts the server and waits until it says that it is ready.
Result<void> StartRun::start(const Options& options, const std::string& name) {
  const auto began = Steady::now();
  TIDEMARK_TRY_ASSIGN(server_, start_tidemark(options, surroundings_, database_url(options)));
  TIDEMARK_TRY_ASSIGN(const Place place, place_of(server_->url()));
  TIDEMARK_TRY(await_ok(place, "/readyz", kReadyTimeout));
  report_.add(name + "_seconds", std::chrono::duration<double>(Steady::now() - began).count());
  std::ifstream log(options.directory + "/server.log");
  const std::string text(std::istreambuf_iterator<char>(log), {});
  report_.add(name + "_claims", last_number(text, "claims"));
  report_.add(name + "_claims_from_tail", last_number(text, "claims_from_tail"));
  report_.add(name + "_resident_bytes", resident_bytes(server_->pid()));
  return {};
}

/// What a server of its own, with an empty directory, uses while nobody asks anything of it.
Result<void> StartRun::watch_idle() {
  Options options = options_;
  options.directory += "/idle";
  options.database.clear();
  std::error_code error;
  std::filesystem::create_directory(options.directory, error);
  if (error) return fail(Errc::kIo, "the directory can't be made: " + options.directory);
  TIDEMARK_TRY(start(options, "empty_start"));
  std::this_thread::sleep_for(options_.warm_up);
  const auto before = usage_of(server_->pid());
  const auto began = Steady::now();
  std::this_thread::sleep_for(options_.measured);
  const auto after = usage_of(server_->pid());
  if (!before || !after) return fail(Errc::kInternal, "the idle server can't be looked at");
  const double elapsed = std::chrono::duration<double>(Steady::now() - began).count();
  report_.add("idle_seconds", elapsed);
  report_.add("idle_cpu_share", (after->cpu_seconds - before->cpu_seconds) / elapsed);
  report_.add("idle_resident_bytes", resident_bytes(server_->pid()));
  report_.add("idle_peak_resident_bytes", peak_resident_bytes(server_->pid()));
  return server_->stop();
}

/// The claims, a server that notes the meter in the log, so that the tail counts, and then the tail.
Result<void> StartRun::prepare() {
  TIDEMARK_TRY(prepare_data(options_, surroundings_));
  report_.add("segments_before", count_segments(options_));
  TIDEMARK_TRY(start(options_, "first_start"));
  TIDEMARK_TRY(server_->stop());
  TIDEMARK_TRY_ASSIGN(tail_, append_tail(data_directory(options_), kIdentityWindow, options_.tail_bytes, options_));
  report_.add("preloaded_claims", options_.preloaded_claims);
  report_.add("tail_bytes", tail_.bytes);
  report_.add("tail_events", tail_.events);
  return {};
}

Result<void> StartRun::check() {
  const auto began = Steady::now();
  TIDEMARK_TRY(await_totals(*database_, clock_.now()));
  report_.add("totals_after_seconds", std::chrono::duration<double>(Steady::now() - began).count());
  TIDEMARK_TRY_ASSIGN(const std::unique_ptr<sql::Session> session, database_->connect());
  TIDEMARK_TRY_ASSIGN(const StoredTotals stored, read_totals(*session));
  TIDEMARK_TRY(server_->stop());
  return conclude(report_, stored.are({tail_.events, tail_.events}),
                  "in the log " + std::to_string(tail_.events) + " events, in SQL " + stored.to_string());
}

Result<void> StartRun::run() {
  TIDEMARK_TRY_ASSIGN(database_, surroundings_.open_database(database_url(options_)));
  report_.add("database", database_->display_name());
  report_.add("keyset_memory_bytes", options_.keyset_memory_bytes);
  TIDEMARK_TRY(watch_idle());
  TIDEMARK_TRY(prepare());
  evict(data_directory(options_));
  TIDEMARK_TRY(start(options_, "cold_start"));
  server_->kill_now();  // Before it could write a checkpoint, so that the next start finds the same.
  TIDEMARK_TRY(start(options_, "warm_start"));
  return check();
}

}  // namespace

Result<void> run_start(const Options& options, const Surroundings& surroundings, Report& report) {
  return StartRun(options, surroundings, report).run();
}

}  // namespace tidemark::bench
