#include <benchmark/benchmark.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <string_view>

#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/seeded_random.hpp"
#include "tidemark/base/testing/temporary_directory.hpp"
#include "tidemark/keyset/keyset.hpp"

// Claims a second, alone: no fingerprinting and no log. `--present=N` and `--memory_mib=N` set how many identities are
// known before, and the bound of the benchmark that goes beyond it.

namespace tidemark::keyset {
namespace {

constexpr std::size_t kBatch = 1'000;
constexpr std::array<std::byte, 16> kLog{std::byte{1}};
constexpr microseconds kWindow = std::chrono::hours(24 * 32);

std::uint64_t present = 2'000'000;
std::uint64_t memory_mib = 32;

/// SplitMix64's output function: identity number n of this benchmark, without a table of them.
Fingerprint identity(std::uint64_t number) {
  const auto mix = [](std::uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ x >> 27) * 0x94D049BB133111EBull;
    return x ^ x >> 31;
  };
  return {mix(number * 0x9E3779B97F4A7C15ull), mix(number * 0xD1B54A32D192ED03ull + 1)};
}

/// A key set on the real disk that holds identities [0, claimed), spread evenly over its window.
class Filled {
 public:
  explicit Filled(std::uint64_t memory_bytes, std::uint64_t count) {
    options_.directory = directory_.file("keyset");
    options_.window = kWindow;
    options_.memory_bytes = memory_bytes;
    open();
    const auto begin = std::chrono::steady_clock::now();
    const microseconds step = kWindow / static_cast<std::int64_t>(count / kBatch + 1);
    while (claimed < count) {
      claim_batch(0);
      now_ += step;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    const KeySetStats stats = keys->stats();
    std::printf(
        "filled: claims=%.1fM rate=%.2fM/s segments=%llu filters_halved=%llu filters_on_disk=%llu memory=%.1fB/claim "
        "disk=%.1fB/claim\n",
        static_cast<double>(claimed) / 1e6, static_cast<double>(claimed) / 1e6 / took.count(),
        static_cast<unsigned long long>(stats.segments), static_cast<unsigned long long>(stats.filters_halved),
        static_cast<unsigned long long>(stats.filters_on_disk),
        static_cast<double>(stats.resident_bytes) / static_cast<double>(claimed),
        static_cast<double>(stats.disk_bytes) / static_cast<double>(claimed));
  }

  /// Opens again what is on disk.
  void open() {
    keys.reset();
    KeySetReport report;
    keys = must(KeySet::open(files_, random_, metrics_, options_, kLog, report));
  }

  /// Claims a batch of which `duplicate_percent` are known already.
  void claim_batch(std::uint64_t duplicate_percent) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      const bool duplicate = i % 100 < duplicate_percent;
      requests_[i].identity = identity(duplicate ? random_.below(claimed) : claimed++);
    }
    must(keys->claim(requests_, offset_++, now_, now_, answers_));
    must(keys->checkpoint_if_due(offset_));
    benchmark::DoNotOptimize(answers_.data());
  }

  std::uint64_t claimed = 0;

 private:
  TemporaryDirectory directory_;
  PosixFileSystem files_;
  SeededRandom random_{1};
  Metrics metrics_;
  KeySetOptions options_;

 public:
  std::unique_ptr<KeySet> keys;

 private:
  std::uint64_t offset_ = 1;
  Timestamp now_ = from_micros(1'714'564'800'000'000);
  std::vector<ClaimRequest> requests_{kBatch};
  std::vector<ClaimAnswer> answers_{kBatch};
};

void run(benchmark::State& state, Filled& filled) {
  const std::uint64_t reads_before = filled.keys->stats().disk_reads;
  for (auto _ : state) filled.claim_batch(static_cast<std::uint64_t>(state.range(0)));
  const auto claims = static_cast<double>(state.iterations() * kBatch);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kBatch));
  const KeySetStats stats = filled.keys->stats();
  state.counters["segments"] = static_cast<double>(stats.segments);
  state.counters["reads_per_claim"] = static_cast<double>(stats.disk_reads - reads_before) / claims;
}

void claim_in_memory(benchmark::State& state) {
  static Filled filled(present * 160 + (512u << 20), present);
  run(state, filled);
}
BENCHMARK(claim_in_memory)->ArgName("duplicate_percent")->Arg(0)->Arg(50)->UseRealTime();

Filled& beyond_memory() {
  static Filled filled(memory_mib << 20, present);
  return filled;
}

void claim_beyond_memory(benchmark::State& state) {
  run(state, beyond_memory());
}
BENCHMARK(claim_beyond_memory)->ArgName("duplicate_percent")->Arg(0)->Arg(50)->UseRealTime();

/// Of what is on disk; the log's tail isn't part of it.
void open_beyond_memory(benchmark::State& state) {
  for (auto _ : state) beyond_memory().open();
}
BENCHMARK(open_beyond_memory)->Iterations(3)->Unit(benchmark::kMillisecond)->UseRealTime();

/// Takes `--name=N` off the command line.
void take_flag(std::string_view argument, std::string_view name, std::uint64_t& value) {
  if (argument.starts_with(name)) {
    std::from_chars(argument.data() + name.size(), argument.data() + argument.size(), value);
  }
}

}  // namespace
}  // namespace tidemark::keyset

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    tidemark::keyset::take_flag(argv[i], "--present=", tidemark::keyset::present);
    tidemark::keyset::take_flag(argv[i], "--memory_mib=", tidemark::keyset::memory_mib);
  }
  benchmark::RunSpecifiedBenchmarks();
}
