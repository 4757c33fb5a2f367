#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/arrivals/submission.hpp"
#include "tidemark/ingest/event_parser.hpp"

namespace tidemark::ingest {

/// A body in a block of its own with exactly the padding that the parsers ask for, so that reading on is found out.
class PaddedBody {
 public:
  explicit PaddedBody(std::string_view text) : size_(text.size()), bytes_(new char[text.size() + 64]()) {
    std::memcpy(bytes_.get(), text.data(), text.size());
  }
  std::string_view text() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

inline FingerprintKey test_key(std::uint8_t seed = 1) {
  FingerprintKey key;
  key.bytes.fill(static_cast<std::byte>(seed));
  return key;
}

inline Timestamp at(std::string_view text) {
  return parse_rfc3339(text).value();
}

/// Decodes what a submission holds; the views live in `payload`.
template <class Item>
std::vector<Item> decoded(const arrivals::Submission& submission, std::string& payload) {
  payload.clear();
  arrivals::encode_record_head(payload, submission.tenant, static_cast<std::uint32_t>(submission.items.size()));
  payload += submission.encoded;
  arrivals::RecordReader reader(submission.kind, as_bytes(payload));
  std::vector<Item> items;
  for (Item item; reader.next(item);) items.push_back(item);
  EXPECT_TRUE(reader.ok());
  return items;
}

/// One request through an EventParser.
struct ParsedRequest {
  Result<void> result;
  ParsedEvents parsed;
  arrivals::Submission submission;
  std::string payload;
  std::vector<arrivals::Event> events;
};

using Headers = std::vector<std::pair<std::string_view, std::string_view>>;

class EventParsing : public ::testing::Test {
 protected:
  std::unique_ptr<ParsedRequest> parse(EventForm form, std::string_view body, const Headers& headers = {},
                                       std::string_view tenant = "default") {
    auto request = std::make_unique<ParsedRequest>();
    request->submission.tenant = tenant;
    const PaddedBody padded(body);
    request->result = parser_->parse(form, padded.text(), headers, now_, request->submission, request->parsed);
    if (request->result) request->events = decoded<arrivals::Event>(request->submission, request->payload);
    return request;
  }

  /// Parses one event that must be valid.
  std::unique_ptr<ParsedRequest> valid(std::string_view body, std::string_view tenant = "default") {
    auto request = parse(EventForm::kSingle, body, {}, tenant);
    EXPECT_TRUE(request->result.has_value()) << body;
    EXPECT_TRUE(request->parsed.invalid.empty())
        << body << " : " << request->parsed.invalid.front().field << " " << request->parsed.invalid.front().detail;
    EXPECT_EQ(request->events.size(), 1u) << body;
    if (request->events.empty()) request->events.emplace_back();
    return request;
  }

  /// Parses one event that must be invalid; answers the field, or "" if it isn't.
  std::string invalid_field(std::string_view body) {
    auto request = parse(EventForm::kSingle, body);
    EXPECT_TRUE(request->result.has_value()) << body << " : " << request->result.error().message();
    EXPECT_TRUE(request->submission.items.empty()) << body;
    EXPECT_EQ(request->parsed.total, 1u);
    if (request->parsed.invalid.size() != 1) return "";
    EXPECT_FALSE(request->parsed.invalid[0].detail.empty());
    return request->parsed.invalid[0].field;
  }

  void limit(EventLimits limits) { parser_.emplace(limits, test_key(), minutes_ahead_); }

  const Timestamp now_ = at("2024-05-01T12:00:00Z");
  const microseconds minutes_ahead_ = std::chrono::minutes(5);
  std::optional<EventParser> parser_{std::in_place, EventLimits{}, test_key(), minutes_ahead_};
};

}  // namespace tidemark::ingest
