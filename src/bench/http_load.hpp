#pragma once

#include <cstdint>
#include <string>

#include "event_stream.hpp"
#include "latency_histogram.hpp"
#include "process_usage.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::bench {

struct LoadOptions {
  std::string host;
  std::uint16_t port = 0;
  std::size_t connections = 64;
  double rate = 0;  ///< Requests a second; 0: each connection sends as soon as it is answered.
  microseconds warm_up{0};
  microseconds measured{0};
  std::uint64_t events_max = 0;  ///< Ends the measured time once so many events were sent in it; 0: only time does.
  int server_pid = 0;
};

struct LoadResult {
  EventTotals acknowledged;       ///< In the whole run, each identity once.
  std::uint64_t sent_events = 0;  ///< Of requests that were acknowledged in the measured time.
  std::uint64_t requests = 0;     ///< Acknowledged in the measured time.
  std::uint64_t failed = 0;       ///< Requests of the whole run that were refused or lost.
  std::string first_failure;      ///< What the first of them was answered.
  LatencyHistogram latency;       ///< From the intended time of sending, of all that were due in the measured time.
  std::uint64_t unsent = 0;       ///< Due in the measured time, but never sent: counted with the wait until given up.
  double measured_seconds = 0;
  double whole_seconds = 0;          ///< Of the whole run, first request to last answer.
  std::optional<ProcessUsage> used;  ///< By the server in the measured time.
  double generator_cpu_seconds = 0;  ///< By this thread in the measured time.
  double host_steal_share = 0;       ///< Of all processors, in the measured time.
};

/// Sends the stream over kept connections from one thread. With a rate, requests are due on a fixed schedule, wait for
/// a free connection when the server is behind, and count from when they were due: an answer that comes late isn't
/// hidden by requests that were therefore never sent. What was due before the end is still sent after it, for at most
/// 30 s. Errors: kUnavailable when the server can't be reached.
Result<LoadResult> run_load(const LoadOptions& options, EventStream& stream);

}  // namespace tidemark::bench
