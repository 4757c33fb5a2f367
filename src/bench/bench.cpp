#include "tidemark/bench/bench.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ostream>

#include "disk_probe.hpp"
#include "process_usage.hpp"
#include "workloads.hpp"

namespace tidemark::bench {
namespace {

/// A directory for the data of one run.
class WorkDirectory {
 public:
  WorkDirectory(const std::string& wanted, bool reused) : path_(wanted), temporary_(wanted.empty()), reused_(reused) {}
  ~WorkDirectory() {
    std::error_code ignored;
    if (temporary_ && !path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Result<std::string> make() {
    std::error_code error;
    if (temporary_) {
      std::string name = (std::filesystem::temp_directory_path(error) / "tidemark-bench-XXXXXX").string();
      if (error || mkdtemp(name.data()) == nullptr) return fail(Errc::kIo, "no temporary directory can be made");
      path_ = name;
    } else if (!reused_ && std::filesystem::exists(path_) && !std::filesystem::is_empty(path_, error)) {
      return fail(Errc::kInvalidArgument,
                  "--directory must name an empty or new directory, or one of an earlier run with --reuse: " + path_);
    } else {
      std::filesystem::create_directories(path_, error);
      if (error) return fail(Errc::kIo, "the directory can't be made: " + path_);
    }
    return path_;
  }

 private:
  std::string path_;
  const bool temporary_;
  const bool reused_;
};

std::string_view name_of(Workload workload) {
  switch (workload) {
    case Workload::kSingle:
      return "single";
    case Workload::kBatch:
      return "batch";
    case Workload::kClaims:
      return "claims";
    case Workload::kFlush:
      return "flush";
    case Workload::kStart:
      return "start";
    case Workload::kSoak:
      return "soak";
    case Workload::kPreload:
      return "preload";
  }
  return "";
}

}  // namespace

Result<void> conclude(Report& report, bool holds, const std::string& what) {
  report.add("checksum", what);
  report.add("checksum_holds", holds);
  if (holds) return {};
  return fail(Errc::kInternal, "the result isn't what was acknowledged: " + what);
}

std::string meter_yaml() {
  return "meters:\n  - {slug: " + std::string(kMeter) +
         ", eventType: bench.use, aggregation: SUM, valueProperty: $.amount}\n";
}

Result<void> run(const Options& given, const Surroundings& surroundings, std::ostream& out) {
  WorkDirectory directory(given.directory, given.reused);
  Options options = given;
  TIDEMARK_TRY_ASSIGN(options.directory, directory.make());
  if (options.pinned) pin_to_core(core_count() - 1);
  Report report;
  report.add("workload", std::string(name_of(options.workload)));
  report.add("machine", machine_description());
  report.add("file_system", file_system_of(options.directory));
  report.add("build", build_description());
  report.add("fsync", true);
  if (options.server.empty() && options.workload != Workload::kPreload) {
    TIDEMARK_TRY_ASSIGN(const LatencyHistogram writes, probe_disk(options.directory));
    report.add("disk_write_p50_us", writes.percentile(0.5));
    report.add("disk_write_p99_us", writes.percentile(0.99));
  }
  Result<void> done;
  switch (options.workload) {
    case Workload::kSingle:
    case Workload::kBatch:
      done = run_http(options, surroundings, report);
      break;
    case Workload::kClaims:
      done = run_claims(options, surroundings, report);
      break;
    case Workload::kFlush:
      done = run_flush(options, surroundings, report);
      break;
    case Workload::kStart:
      done = run_start(options, surroundings, report);
      break;
    case Workload::kSoak:
      done = run_soak(options, surroundings, report);
      break;
    case Workload::kPreload:
      done = run_preload(options, surroundings, report);
      break;
  }
  report.print(out, options.json);
  return done;
}

}  // namespace tidemark::bench
