#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tidemark/base/metrics.hpp"
#include "tidemark/base/testing/manual_clock.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/seeded_random.hpp"
#include "tidemark/log/log.hpp"

namespace tidemark::log {

/// A record as a test remembers it.
struct Entry {
  RecordKind kind = RecordKind::kEvents;
  std::string payload;
  Timestamp arrival{};
  bool operator==(const Entry&) const = default;
};

/// What a test read of a log: the records by offset, and what was damaged.
struct Reading {
  std::vector<std::pair<Offset, Entry>> records;
  std::vector<std::pair<Offset, Offset>> damage;
  Offset next = 0;
};

/// Reads [from, end) page by page.
Result<Reading> try_read_from(Log& log, Offset from, ReadLimits limits = {});
Reading read_from(Log& log, Offset from, ReadLimits limits = {});

/// A log with all that it needs, which can be closed and opened again.
class LogUnderTest {
 public:
  LogUnderTest(FileSystem& files, LogOptions options) : files_(files), options_(std::move(options)) {}

  Result<void> try_open();
  void open() { must(try_open()); }
  void close() { log_.reset(); }
  void reopen() {
    close();
    open();
  }
  Log& operator*() { return *log_; }
  Log* operator->() { return log_.get(); }
  bool is_open() const { return log_ != nullptr; }
  const RecoveryReport& report() const { return report_; }
  ManualClock& clock() { return clock_; }
  LogOptions& options() { return options_; }
  Metrics& metrics() { return metrics_; }
  std::string path(const std::string& name) const { return options_.directory + "/" + name; }

  /// Commits one group; time moves on by 1 ms before it.
  Result<void> commit(const std::vector<std::pair<RecordKind, std::string>>& records);
  Result<void> commit(const std::string& payload) { return commit({{RecordKind::kEvents, payload}}); }

 private:
  FileSystem& files_;
  LogOptions options_;
  ManualClock clock_;
  SeededRandom random_{1};
  Metrics metrics_;
  RecoveryReport report_;
  std::unique_ptr<Log> log_;
  GroupBuilder group_;
};

/// Options of a small log that rolls often and works in one thread.
inline LogOptions small_log(std::string directory, std::uint64_t segment_bytes = 4096) {
  LogOptions options;
  options.directory = std::move(directory);
  options.segment_bytes = segment_bytes;
  options.prepare_in_background = false;
  return options;
}

/// `size` bytes that differ by `seed`.
std::string payload_of(std::size_t size, std::uint64_t seed);

/// The files of the log's segments, oldest first.
std::vector<std::string> segment_paths(FileSystem& files, const std::string& directory);

}  // namespace tidemark::log
