#include "event_stream.hpp"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

namespace tidemark::bench {
namespace {

using nlohmann::json;

constexpr std::int64_t kTime = 1'714'564'800'000'000;

EventStream stream_of(const Options& options) {
  return EventStream(options, 42, from_micros(kTime), "127.0.0.1");
}

Options batches(std::size_t events, BatchForm form = BatchForm::kLines) {
  Options options;
  options.workload = Workload::kBatch;
  options.batch_events = events;
  options.form = form;
  return options;
}

std::vector<json> events_in(const EventStream& stream, const EventRequest& request) {
  std::vector<json> events;
  std::istringstream lines(stream.body_of(request));
  for (std::string line; std::getline(lines, line);) events.push_back(json::parse(line));
  return events;
}

TEST(EventStream, an_event_has_the_size_that_was_asked_for) {
  EventStream stream = stream_of(batches(3));
  EventRequest request = stream.make_request();
  stream.fill(request);
  std::istringstream lines(stream.body_of(request));
  for (std::string line; std::getline(lines, line);) EXPECT_EQ(line.size(), 200);
}

TEST(EventStream, the_announced_length_is_the_body) {
  for (const BatchForm form : {BatchForm::kLines, BatchForm::kArray}) {
    EventStream stream = stream_of(batches(7, form));
    const EventRequest request = stream.make_request();
    const std::string length = "Content-Length: " + std::to_string(stream.body_of(request).size()) + "\r\n";
    EXPECT_NE(request.bytes.find(length), std::string::npos);
  }
}

TEST(EventStream, an_array_holds_every_event) {
  EventStream stream = stream_of(batches(5, BatchForm::kArray));
  EventRequest request = stream.make_request();
  stream.fill(request);
  EXPECT_EQ(json::parse(stream.body_of(request)).size(), 5);
}

TEST(EventStream, counts_each_identity_once_and_repeats_it_with_the_same_content) {
  Options options = batches(100);
  options.duplicates = 0.5;
  EventStream stream = stream_of(options);
  EventRequest request = stream.make_request();
  std::map<std::string, json> seen;
  EventTotals told;
  for (int i = 0; i < 20; ++i) {
    stream.fill(request);
    told += request.fresh;
    for (const json& event : events_in(stream, request)) {
      const auto [place, first] = seen.emplace(event["id"].get<std::string>(), event);
      if (!first) {
        EXPECT_EQ(place->second, event);
      }
    }
  }
  EventTotals found;
  for (const auto& [id, event] : seen) found += {1, event["data"]["amount"].get<std::uint64_t>()};
  EXPECT_EQ(told, found);
  EXPECT_GT(found.events, 800);
  EXPECT_LT(found.events, 1200);
}

TEST(EventStream, subjects_stay_within_their_number) {
  Options options = batches(1000);
  options.subjects = 10;
  EventStream stream = stream_of(options);
  EventRequest request = stream.make_request();
  stream.fill(request);
  std::map<std::string, int> subjects;
  for (const json& event : events_in(stream, request)) ++subjects[event["subject"].get<std::string>()];
  EXPECT_EQ(subjects.size(), 10);
}

}  // namespace
}  // namespace tidemark::bench
