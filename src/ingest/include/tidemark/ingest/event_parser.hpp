#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tidemark/arrivals/submission.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/base/hash.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::ingest {

/// The forms in which events come, by content type.
enum class EventForm : std::uint8_t {
  kSingle,         ///< application/cloudevents+json
  kBatch,          ///< application/cloudevents-batch+json
  kSingleOrBatch,  ///< application/json
  kLines,          ///< application/x-ndjson
  kBinary,         ///< any other type with ce-* headers: the body is `data`
};

/// An event that can't be taken, and why.
struct InvalidEvent {
  std::uint32_t index = 0;  ///< In request order, from 0.
  std::string field;        ///< The attribute at fault, or `event` when it is the event as a whole.
  std::string detail;       ///< Reads on after the field's name.
};

struct EventLimits {
  std::size_t events = 100'000;        ///< In one request.
  std::size_t event_bytes = 1u << 20;  ///< One event as sent; of a binary one its data. A longer one is invalid.
  std::size_t text_chars = 255;        ///< subject, in characters.
  std::size_t id_bytes = 1024;         ///< id, source, type, dataschema.
  std::size_t depth = 64;              ///< Of data, which itself is the first level.
  std::size_t extensions = 64;         ///< Extension attributes of one event.
};

/// What a request held.
struct ParsedEvents {
  std::uint32_t total = 0;            ///< Events, valid or not.
  std::vector<InvalidEvent> invalid;  ///< Sorted by index; the others are submission.items, in order.
  void clear();
};

/// Parses requests into submissions: validates, fingerprints, encodes; one pass, no allocation per event once warm.
/// *Concurrency*: one thread at a time; one parser for each io thread.
class EventParser {
 public:
  EventParser(EventLimits limits, FingerprintKey key, microseconds max_future_skew);
  ~EventParser();

  /// Parses `body`, which must be followed by 64 readable bytes, into `submission`, whose tenant is set already.
  /// `headers`: the request's, for kBinary. `now`: the arrival clock. Errors: kInvalidArgument when the body as a whole
  /// can't be read (broken JSON outside NDJSON, not an array, empty), kTooLarge past EventLimits::events; then the
  /// submission is void.
  Result<void> parse(EventForm form, std::string_view body,
                     std::span<const std::pair<std::string_view, std::string_view>> headers, Timestamp now,
                     arrivals::Submission& submission, ParsedEvents& parsed);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Parses the body of POST /increment, `{"key": UUID, "value": 1 .. 2^63-1}` and nothing else, in one form only: the
/// UUID in its canonical lower-case form and not all zero, the value as plain digits. One thread at a time.
class IncrementParser {
 public:
  explicit IncrementParser(FingerprintKey key);
  ~IncrementParser();

  /// Parses `body`, which must be followed by 64 readable bytes, into a submission of one item, whose tenant is set
  /// already. `idempotency_key` is the header's value, empty when absent. Error kInvalidArgument; `field` then names
  /// what is at fault (key, value, an unknown member, body, Idempotency-Key) and the submission is void.
  Result<void> parse(std::string_view body, std::string_view idempotency_key, arrivals::Submission& submission,
                     std::string& field);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::ingest
