#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "tidemark/base/metrics.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"
#include "tidemark/log/log.hpp"

// On the real disk, below TMPDIR or /tmp.
namespace tidemark::log {
namespace {

/// A log on disk that lives as long as one benchmark.
struct DiskLog {
  DiskLog() {
    LogOptions options;
    options.directory = directory.file("log");
    log = must(Log::open(files, clock, random, metrics, options, report));
  }

  void commit(std::size_t group_bytes, std::size_t record_bytes) {
    group.reset(std::max(clock.now(), log->last_arrival()));
    const std::string payload(record_bytes, 'x');
    for (std::size_t bytes = 0; bytes < group_bytes; bytes += record_bytes) {
      group.add(RecordKind::kEvents, as_bytes(payload));
    }
    must(log->commit(group));
  }

  /// Keeps the disk's use small.
  void trim() {
    while (log->oldest_trimmable(log->synced_end(), log->last_arrival())) must(log->drop_oldest());
  }

  TemporaryDirectory directory;
  PosixFileSystem files;
  SystemClock clock;
  SystemRandom random;
  Metrics metrics;
  RecoveryReport report;
  std::unique_ptr<Log> log;
  GroupBuilder group;
};

void commit_group(benchmark::State& state) {
  DiskLog disk;
  const auto group_bytes = static_cast<std::size_t>(state.range(0));
  for (auto _ : state) {
    disk.commit(group_bytes, 1024);
    if (disk.log->segments().size() > 8) {
      state.PauseTiming();
      disk.trim();
      state.ResumeTiming();
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * state.range(0));
}
BENCHMARK(commit_group)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20)->UseRealTime()->Unit(benchmark::kMicrosecond);

/// Reads 1 GiB of records of the given size from the page cache.
void read_log(benchmark::State& state) {
  constexpr std::size_t kTotal = 1u << 30;
  constexpr std::size_t kGroup = 256u << 10;
  DiskLog disk;
  for (std::size_t bytes = 0; bytes < kTotal; bytes += kGroup) {
    disk.commit(kGroup, static_cast<std::size_t>(state.range(0)));
  }
  Page page;
  std::uint64_t records = 0;
  for (auto _ : state) {
    auto reader = disk.log->reader();
    must(reader->seek(0));
    do {
      must(reader->read({}, page));
      records += page.records.size();
    } while (!page.at_end);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kTotal));
  state.counters["records/s"] = benchmark::Counter(static_cast<double>(records), benchmark::Counter::kIsRate);
}
BENCHMARK(read_log)->Arg(100)->Arg(16 << 10)->UseRealTime()->Unit(benchmark::kMillisecond);

/// Opens a log of 512 MiB, of which the last segment is read.
void open_log(benchmark::State& state) {
  DiskLog disk;
  for (int i = 0; i < 512; ++i) disk.commit(1 << 20, 1024);
  LogOptions options;
  options.directory = disk.directory.file("log");
  disk.log.reset();
  for (auto _ : state) {
    disk.log = must(Log::open(disk.files, disk.clock, disk.random, disk.metrics, options, disk.report));
    disk.log.reset();
  }
}
BENCHMARK(open_log)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidemark::log

BENCHMARK_MAIN();
