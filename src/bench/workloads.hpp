#pragma once

#include <string>

#include "report.hpp"
#include "tidemark/bench/bench.hpp"

namespace tidemark::bench {

inline constexpr std::string_view kMeter = "bench_used";

/// Each adds what it measured to the report, `checksum_holds` last, and leaves its data in options.directory.
Result<void> run_http(const Options& options, const Surroundings& surroundings, Report& report);
Result<void> run_claims(const Options& options, const Surroundings& surroundings, Report& report);
Result<void> run_preload(const Options& options, const Surroundings& surroundings, Report& report);
Result<void> run_flush(const Options& options, const Surroundings& surroundings, Report& report);
Result<void> run_start(const Options& options, const Surroundings& surroundings, Report& report);
Result<void> run_soak(const Options& options, const Surroundings& surroundings, Report& report);

/// Makes a log and a key set in `directory` with so many claims, spread over `window` in steps, and merges the key
/// set's segments until nothing is left to merge, so that nothing goes on in the background when it is opened.
Result<void> preload_claims(const std::string& directory, microseconds window, const Options& options);

/// Notes beside the data that it holds the first `count` identities of the claims workload.
void note_identities(const Options& options, std::uint64_t count);

/// What append_tail() put into the log.
struct Tail {
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
};

/// Appends at least `bytes` of events of the workload's meter to the log of `directory`, which a server has made, each
/// of amount 1 and with an identity of its own, and leaves the key set's checkpoint where it is: what a server that was
/// killed leaves, and twice as much as one leaves, since it writes a checkpoint every 512 MiB.
Result<Tail> append_tail(const std::string& directory, microseconds window, std::uint64_t bytes,
                         const Options& options);

/// Adds the field and turns false into kInternal.
Result<void> conclude(Report& report, bool holds, const std::string& what);

/// The definition of the meter that all workloads count with; `windows` as in the settings.
std::string meter_yaml();

}  // namespace tidemark::bench
