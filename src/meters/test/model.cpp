#include "model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "fold_harness.hpp"
#include "tidemark/base/testing/must.hpp"

namespace tidemark::meters {
namespace {

using ::testing::IsEmpty;

const std::vector<std::string> kAggregations{"AVG", "COUNT", "LATEST", "MAX", "MIN", "SUM", "UNIQUE_COUNT"};

struct ModelEvent {
  Timestamp time;
  std::string subject;
  std::string region;            ///< Empty: the event has none.
  std::optional<Decimal> value;  ///< Nothing: the event has none.
};

std::string slug_of(std::string aggregation) {
  for (char& c : aggregation) c = c == '_' ? c : static_cast<char>(c - 'A' + 'a');
  return aggregation;
}

/// Adds up one window in the most obvious way.
std::string aggregate(const std::string& aggregation, const std::vector<const ModelEvent*>& events) {
  const auto count = static_cast<std::int64_t>(events.size());
  const std::string end = " events=" + std::to_string(count);
  if (aggregation == "COUNT") return "value=" + std::to_string(count) + end;
  Decimal value = *events.front()->value;
  Decimal sum;
  const ModelEvent* latest = events.front();
  std::set<std::string> members;
  for (const ModelEvent* event : events) {
    sum = *sum.plus(*event->value);
    if (aggregation == "MIN") value = std::min(value, *event->value);
    if (aggregation == "MAX") value = std::max(value, *event->value);
    if (event->time >= latest->time) latest = event;
    members.insert(event->value->to_string());
  }
  if (aggregation == "SUM") value = sum;
  if (aggregation == "AVG") value = average(sum, count);
  if (aggregation == "LATEST") value = *latest->value;
  if (aggregation == "UNIQUE_COUNT") value = Decimal::from_int(static_cast<std::int64_t>(members.size()));
  return "value=" + value.to_string() + end;
}

/// What the table should hold, in the form of FoldHarness::totals(), sorted.
std::vector<std::string> model(const std::vector<ModelEvent>& events) {
  std::vector<std::string> lines;
  for (const std::string& aggregation : kAggregations) {
    std::map<std::string, std::vector<const ModelEvent*>> windows;
    for (const ModelEvent& event : events) {
      if (!event.value && aggregation != "COUNT") continue;
      for (const WindowSize size : {WindowSize::kTotal, WindowSize::kHour, WindowSize::kDay, WindowSize::kMonth}) {
        std::string key =
            event.subject + " {\"region\":\"" + event.region + "\"} " + std::string(window_size_name(size));
        if (size != WindowSize::kTotal) key += " " + format_rfc3339(window_start(size, event.time));
        windows[key].push_back(&event);
      }
    }
    for (const auto& [key, taken] : windows) {
      lines.push_back(slug_of(aggregation) + " " + key + " " + aggregate(aggregation, taken));
    }
  }
  std::ranges::sort(lines);
  return lines;
}

/// The lines that only one side has, marked by its side. Nothing when they are equal.
std::vector<std::string> differences(std::vector<std::string> found, const std::vector<std::string>& expected) {
  std::ranges::sort(found);
  std::vector<std::string> lines;
  std::ranges::set_difference(found, expected, std::back_inserter(lines));
  for (std::string& line : lines) line.insert(0, "found ");
  const auto missing = lines.size();
  std::ranges::set_difference(expected, found, std::back_inserter(lines));
  for (std::size_t i = missing; i < lines.size(); ++i) lines[i].insert(0, "expected ");
  return lines;
}

class RandomHistory {
 public:
  explicit RandomHistory(unsigned seed) : random_(seed) {}

  int below(int bound) { return std::uniform_int_distribution(0, bound - 1)(random_); }

  ModelEvent event() {
    ModelEvent event;
    event.time =
        must(parse_rfc3339("2024-02-28T20:00:00Z")) + std::chrono::minutes(below(3000)) - milliseconds(below(2));
    event.subject = std::string(1, static_cast<char>('a' + below(3)));
    if (below(3) > 0) event.region = below(2) == 0 ? "eu" : "us";
    if (below(20) > 0) event.value = Decimal::from_units(static_cast<__int128>(below(2001) - 1000) * 50'000'000'000);
    return event;
  }

 private:
  std::mt19937 random_;
};

std::string line_of(const ModelEvent& event) {
  std::string data = "{\"n\":" + (event.value ? event.value->to_string() : "null");
  if (!event.region.empty()) data += ",\"region\":\"" + event.region + "\"";
  return format_rfc3339(event.time) + " " + event.subject + " " + data + "}";
}

}  // namespace

void expect_model(unsigned seed, FoldHarness& whole, FoldHarness& paged) {
  RandomHistory history(seed);
  std::vector<DefinitionSource> sources;
  for (const std::string& aggregation : kAggregations) {
    sources.push_back(meter(slug_of(aggregation), aggregation, "$.n", {}));
    sources.back().group_by = {{"region", "$.region"}};
  }
  for (FoldHarness* harness : {&whole, &paged}) harness->define(sources);
  std::vector<ModelEvent> events;
  for (int record = 0; record < 10; ++record) {
    std::vector<std::string> lines;
    for (int i = history.below(40); i >= 0; --i) {
      events.push_back(history.event());
      lines.push_back(line_of(events.back()));
    }
    for (FoldHarness* harness : {&whole, &paged}) harness->events(lines);
  }
  whole.fold();
  paged.fold_in_pages([&history] { return static_cast<std::size_t>(1 + history.below(30)); });
  const std::vector<std::string> expected = model(events);
  EXPECT_THAT(differences(whole.totals(), expected), IsEmpty()) << "seed " << seed;
  EXPECT_THAT(differences(paged.totals(), expected), IsEmpty()) << "seed " << seed;
  EXPECT_EQ(whole.dead(), paged.dead()) << "seed " << seed;
  EXPECT_EQ(whole.dead().size(), static_cast<std::size_t>(std::ranges::count_if(
                                     events, [](const ModelEvent& event) { return !event.value; })));
}

}  // namespace tidemark::meters
