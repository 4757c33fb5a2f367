#include <benchmark/benchmark.h>

#include <string>

#include "tidemark/arrivals/submission.hpp"
#include "tidemark/ingest/event_parser.hpp"

namespace tidemark::ingest {
namespace {

constexpr int kEvents = 1000;

/// An event of 200 bytes.
std::string event(int index) {
  std::string text = R"({"specversion":"1.0","id":"8f14e45f-ceea-)" + std::to_string(1'000'000 + index) +
                     R"(","source":"bench","type":"request","subject":"customer-)" +
                     std::to_string(10'000 + index % 10'000) + R"(","time":"2024-05-01T12:00:00Z","data":{"tokens":)" +
                     std::to_string(100 + index % 900) + R"(,"model":")";
  text.resize(200 - std::string_view("\"}}").size(), 'm');
  return text + "\"}}";
}

std::string body_of(EventForm form) {
  std::string body = form == EventForm::kBatch ? "[" : "";
  for (int i = 0; i < kEvents; ++i) {
    if (i > 0) body += form == EventForm::kBatch ? ',' : '\n';
    body += event(i);
  }
  return form == EventForm::kBatch ? body + ']' : body;
}

void parse_events(benchmark::State& state, EventForm form) {
  std::string body = body_of(form);
  const std::size_t size = body.size();
  body.resize(size + 64);
  EventParser parser(EventLimits{}, FingerprintKey{}, std::chrono::minutes(5));
  arrivals::Submission submission;
  submission.tenant = "default";
  ParsedEvents parsed;
  const Timestamp now = parse_rfc3339("2024-05-01T12:00:00Z").value();
  for (auto _ : state) {
    const auto result = parser.parse(form, std::string_view(body).substr(0, size), {}, now, submission, parsed);
    if (!result || submission.items.size() != kEvents) state.SkipWithError("events refused");
    benchmark::DoNotOptimize(submission.encoded.data());
  }
  state.SetItemsProcessed(state.iterations() * kEvents);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(size));
}

void parse_increments(benchmark::State& state) {
  std::string body = R"({"key":"dddddddd-1234-5678-1234-567812345678","value":1})";
  const std::size_t size = body.size();
  body.resize(size + 64);
  IncrementParser parser{FingerprintKey{}};
  arrivals::Submission submission;
  submission.tenant = "default";
  std::string field;
  for (auto _ : state) {
    if (!parser.parse(std::string_view(body).substr(0, size), {}, submission, field)) state.SkipWithError("refused");
  }
  state.SetItemsProcessed(state.iterations());
}

BENCHMARK_CAPTURE(parse_events, lines, EventForm::kLines);
BENCHMARK_CAPTURE(parse_events, batch, EventForm::kBatch);
BENCHMARK(parse_increments);

}  // namespace
}  // namespace tidemark::ingest

BENCHMARK_MAIN();
