#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/ingest/event_parser.hpp"

namespace {

/// Whether the text is JSON, by a parser that reads everything. Numbers beyond a double are JSON too.
bool is_json(std::string_view text) {
  static simdjson::dom::parser parser;
  const auto error = parser.parse(text.data(), text.size()).error();
  return error == simdjson::SUCCESS || error == simdjson::NUMBER_ERROR;
}

}  // namespace

// The first byte chooses the form; in binary mode the first line after it is a header's value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tidemark;
  using namespace tidemark::ingest;
  static EventParser parser(EventLimits{.events = 1000}, FingerprintKey{}, std::chrono::minutes(5));
  static arrivals::Submission submission;
  static ParsedEvents parsed;
  if (size == 0) return 0;
  const auto form = static_cast<EventForm>(data[0] % 5);
  const std::unique_ptr<char[]> padded(new char[size - 1 + 64]());
  std::memcpy(padded.get(), data + 1, size - 1);
  std::string_view body(padded.get(), size - 1);
  std::string_view value = "1";
  if (form == EventForm::kBinary) {
    value = body.substr(0, body.find('\n'));
    body.remove_prefix(value.size());
  }
  const std::pair<std::string_view, std::string_view> headers[] = {{"ce-specversion", "1.0"},
                                                                   {"ce-id", value},
                                                                   {"ce-source", "s"},
                                                                   {"ce-type", "t"},
                                                                   {"ce-subject", "u"},
                                                                   {"ce-x", value},
                                                                   {"Content-Type", "application/json"}};
  submission.tenant = "default";
  const auto result = parser.parse(form, body, headers, Timestamp{}, submission, parsed);
  if (!result) return 0;
  const bool one_text = form != EventForm::kLines && form != EventForm::kBinary;
  if (one_text && parsed.invalid.empty() && !is_json(body)) std::abort();
  if (parsed.total != submission.items.size() + parsed.invalid.size()) std::abort();

  // What was taken must be storable and decode to as many events.
  std::string payload;
  arrivals::encode_record_head(payload, submission.tenant, static_cast<std::uint32_t>(submission.items.size()));
  payload += submission.encoded;
  arrivals::RecordReader reader(log::RecordKind::kEvents, as_bytes(payload));
  std::size_t count = 0;
  for (arrivals::Event event; reader.next(event); ++count) {
    for (const std::string_view text : {event.id, event.source, event.type, event.subject}) {
      if (text.empty() || !is_storable_text(text)) std::abort();
    }
    for (const std::string_view text : {event.data, event.extensions}) {
      if (!is_storable_text(text)) std::abort();
      if (!text.empty() && (text.front() != '{' || text.back() != '}' || !is_json(text))) std::abort();
    }
  }
  if (!reader.ok() || count != submission.items.size()) std::abort();
  return 0;
}
