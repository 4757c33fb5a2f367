#pragma once

#include "tidemark/bench/bench.hpp"
#include "tidemark/config/settings.hpp"

namespace tidemark::app {

/// Runs a workload with this program as the server. `defaults` gives the time-outs of the database. Returns the exit
/// code: 1 when the result isn't what was acknowledged.
int bench(const bench::Options& options, const config::Settings& defaults);

}  // namespace tidemark::app
