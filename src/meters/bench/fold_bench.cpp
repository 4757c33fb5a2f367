#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/meters/totals.hpp"

namespace tidemark::meters {
namespace {

constexpr std::size_t kRecords = 200;
constexpr std::size_t kEventsPerRecord = 1000;
constexpr std::int64_t kStart = 1'714'564'800'000'000;  // 2024-05-01T12:00:00Z

/// Events of about 200 bytes as JSON; subjects come in an order that a cache can't guess.
std::vector<std::string> make_payloads(std::size_t subjects) {
  std::vector<std::string> payloads(kRecords);
  std::uint64_t state = 1;
  for (std::string& payload : payloads) {
    arrivals::encode_record_head(payload, "default", kEventsPerRecord);
    for (std::size_t i = 0; i < kEventsPerRecord; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      const std::string subject = "customer-" + std::to_string((state >> 33) % subjects);
      const std::string data = R"({"model":"large-v3","region":"eu-west-1","tokens":)" +
                               std::to_string((state >> 40) % 5000) + R"(.25,"user":"u)" +
                               std::to_string((state >> 20) % 1000) + R"("})";
      arrivals::Event event;
      event.time = from_micros(kStart + static_cast<std::int64_t>((state >> 30) % 1'000'000'000));
      event.id = "01HX8Z6K2M5N7P9Q1R3S5T7V9W";
      event.source = "api-gateway";
      event.type = "tokens.used";
      event.subject = subject;
      event.data = data;
      arrivals::encode_event(payload, event);
    }
  }
  return payloads;
}

DefinitionSource tokens(std::string slug, std::string aggregation, std::string property) {
  DefinitionSource source;
  source.slug = std::move(slug);
  source.event_type = "tokens.used";
  source.aggregation = std::move(aggregation);
  source.value_property = std::move(property);
  return source;
}

DefinitionSource by_region() {
  DefinitionSource source = tokens("by_region", "SUM", "$.tokens");
  source.group_by = {{"model", "$.model"}, {"region", "$.region"}};
  return source;
}

void fold(benchmark::State& state, const std::vector<DefinitionSource>& sources, std::size_t subjects) {
  const std::vector<std::string> payloads = make_payloads(subjects);
  std::vector<std::string> problems;
  const auto definitions = make_definitions(sources, problems);
  TIDEMARK_ASSERT(definitions.has_value());
  const std::map<log::RecordKind, std::string> sticky{
      {log::RecordKind::kDefinitions, encode_definitions(*definitions)}};
  Metrics metrics;
  TotalsFold fold(std::chrono::days(31), [] { return from_micros(kStart); }, metrics);
  for (auto _ : state) {
    TIDEMARK_ASSERT(fold.begin(sticky, flow::Care::kFast).has_value());
    log::Offset offset = 0;
    for (const std::string& payload : payloads) {
      fold.add({offset++, log::RecordKind::kEvents, from_micros(kStart), as_bytes(payload)}, 0, kEventsPerRecord);
    }
    benchmark::DoNotOptimize(fold.pending_rows());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kRecords * kEventsPerRecord));
}

void sum_four_windows(benchmark::State& state) {
  fold(state, {tokens("tokens", "SUM", "$.tokens")}, static_cast<std::size_t>(state.range(0)));
}
void three_meters(benchmark::State& state) {
  fold(state, {tokens("tokens", "SUM", "$.tokens"), tokens("calls", "COUNT", ""), tokens("largest", "MAX", "$.tokens")},
       10'000);
}
void sum_by_two_groups(benchmark::State& state) {
  fold(state, {by_region()}, 10'000);
}
void unique_members(benchmark::State& state) {
  fold(state, {tokens("users", "UNIQUE_COUNT", "$.user")}, 100);
}

void increments(benchmark::State& state) {
  std::vector<std::string> payloads(kRecords);
  std::uint64_t random = 1;
  for (std::string& payload : payloads) {
    arrivals::encode_record_head(payload, "default", kEventsPerRecord);
    for (std::size_t i = 0; i < kEventsPerRecord; ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      arrivals::Increment increment;
      store_le(increment.key.data(), (random >> 33) % 10'000);
      increment.value = 1;
      arrivals::encode_increment(payload, increment);
    }
  }
  Metrics metrics;
  TotalsFold fold(std::chrono::days(31), [] { return from_micros(kStart); }, metrics);
  for (auto _ : state) {
    TIDEMARK_ASSERT(fold.begin({}, flow::Care::kFast).has_value());
    for (const std::string& payload : payloads) {
      fold.add({0, log::RecordKind::kIncrements, from_micros(kStart), as_bytes(payload)}, 0, kEventsPerRecord);
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kRecords * kEventsPerRecord));
}

BENCHMARK(sum_four_windows)->ArgName("subjects")->Arg(10'000)->Arg(1'000'000)->Unit(benchmark::kMillisecond);
BENCHMARK(three_meters)->Unit(benchmark::kMillisecond);
BENCHMARK(sum_by_two_groups)->Unit(benchmark::kMillisecond);
BENCHMARK(unique_members)->Unit(benchmark::kMillisecond);
BENCHMARK(increments)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace tidemark::meters

BENCHMARK_MAIN();
