#pragma once

#include <string>

#include "report.hpp"
#include "tidemark/bench/bench.hpp"

namespace tidemark::bench {

inline constexpr std::string_view kMeter = "bench_used";

/// Each adds what it measured to the report, `checksum_holds` last, and leaves its data in options.directory.
Result<void> run_http(const Options& options, const Surroundings& surroundings, Report& report);
Result<void> run_claims(const Options& options, Report& report);
Result<void> run_flush(const Options& options, const Surroundings& surroundings, Report& report);

/// Makes a log and a key set in `directory` with so many claims, spread over `window` in steps.
Result<void> preload_claims(const std::string& directory, microseconds window, const Options& options);

/// Adds the field and turns false into kInternal.
Result<void> conclude(Report& report, bool holds, const std::string& what);

/// The definition of the meter that all workloads count with; `windows` as in the settings.
std::string meter_yaml();

}  // namespace tidemark::bench
