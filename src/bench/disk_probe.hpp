#pragma once

#include <string>

#include "latency_histogram.hpp"
#include "tidemark/base/error.hpp"

namespace tidemark::bench {

/// Times one write of 16 KiB with its fdatasync after the other, for about a second, into a file in `directory` that is
/// filled beforehand, as a log segment is, and removed afterwards: what the disk alone adds to a latency.
/// Errors: kIo, kDiskFull.
Result<LatencyHistogram> probe_disk(const std::string& directory);

}  // namespace tidemark::bench
