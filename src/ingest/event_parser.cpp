#include "tidemark/ingest/event_parser.hpp"

#include <algorithm>
#include <iterator>

#include "content_hash.hpp"
#include "event_draft.hpp"
#include "header_value.hpp"
#include "json.hpp"
#include "tidemark/base/ascii.hpp"
#include "tidemark/base/json_text.hpp"

namespace tidemark::ingest {
namespace {

static_assert(simdjson::SIMDJSON_PADDING <= 64, "the header promises that 64 bytes after a body are enough");

/// Offsets in a submission are 32 bits, and an encoded event may be larger than its JSON.
constexpr std::size_t kBodyMaxBytes = 1u << 30;
/// simdjson takes about six times a body in memory; what a larger body made it take is given back after it.
constexpr std::size_t kRetainedBodyBytes = 1u << 20;

constexpr std::string_view kWhole = "event";  ///< The field of problems that concern the event as a whole.
constexpr std::string_view kWhitespace = " \t\r\n";
constexpr std::string_view kHeaderPrefix = "ce-";

std::string json_problem(error_code error) {
  return std::string("is not valid JSON: ").append(simdjson::error_message(error));
}

std::string_view fault_detail(DataFault fault) noexcept {
  switch (fault) {
    case DataFault::kNone:
      break;
    case DataFault::kTooDeep:
      return "is nested too deeply";
    case DataFault::kText:
      return "holds U+0000 or half of a surrogate pair";
    case DataFault::kRepeatedName:
      return "holds a member twice in one object";
  }
  return "can't be taken";
}

/// The part of `text` up to `end`, which simdjson gives as the next token's place.
std::string_view up_to(const char* begin, const char* end) noexcept {
  return trimmed(std::string_view(begin, static_cast<std::size_t>(end - begin)));
}

}  // namespace

void ParsedEvents::clear() {
  total = 0;
  invalid.clear();
}

struct EventParser::Impl {
  Impl(EventLimits event_limits, FingerprintKey key, microseconds max_future_skew)
      : limits(event_limits),
        draft(event_limits, key, max_future_skew),
        hasher(draft.content_seed(), event_limits.depth) {}

  Result<void> parse_single(std::string_view body);
  Result<void> parse_batch(std::string_view body);
  Result<void> parse_lines(std::string_view body);
  Result<void> parse_binary(std::string_view body,
                            std::span<const std::pair<std::string_view, std::string_view>> headers);

  error_code open(std::string_view text);
  error_code read_single(std::string_view text);
  error_code read_element(ondemand::value element);
  error_code read_object(ondemand::object& object);
  error_code read_member(ondemand::field& field);
  error_code read_text_attribute(Attribute attribute, ondemand::value& value);
  error_code read_data(ondemand::value& value);
  error_code read_extension(const JsonText& name, ondemand::value& value);
  error_code read_unused(ondemand::value& value);
  error_code read_binary_data(std::string_view body);
  void take_header(std::string_view name, std::string_view value);
  void refuse_json(error_code error);
  Result<void> next_event();
  void finish_event();

  const EventLimits limits;
  ondemand::parser parser;
  ondemand::document document;
  EventDraft draft;
  DataHasher hasher;
  std::string header_texts;  ///< Decoded headers of a request in binary mode.

  // The request that is parsed.
  Timestamp now;
  arrivals::Submission* submission = nullptr;
  ParsedEvents* parsed = nullptr;
  const char* body_end = nullptr;
};

EventParser::EventParser(EventLimits limits, FingerprintKey key, microseconds max_future_skew)
    : impl_(std::make_unique<Impl>(limits, key, max_future_skew)) {}

EventParser::~EventParser() = default;

Result<void> EventParser::parse(EventForm form, std::string_view body,
                                std::span<const std::pair<std::string_view, std::string_view>> headers, Timestamp now,
                                arrivals::Submission& submission, ParsedEvents& parsed) {
  Impl& impl = *impl_;
  submission.kind = log::RecordKind::kEvents;
  submission.items.clear();
  submission.encoded.clear();
  parsed.clear();
  impl.now = now;
  impl.submission = &submission;
  impl.parsed = &parsed;
  impl.body_end = body.data() + body.size();
  if (body.size() > kBodyMaxBytes) return fail(Errc::kTooLarge, "the body is longer than 1 GiB; send it in parts");

  if (form == EventForm::kBinary) return impl.parse_binary(body, headers);
  const std::string_view text = stripped(body, kWhitespace);
  if (text.empty()) return fail(Errc::kInvalidArgument, "the body is empty; send at least one event");
  if (form == EventForm::kSingleOrBatch) form = text.front() == '[' ? EventForm::kBatch : EventForm::kSingle;
  auto result = form == EventForm::kLines   ? impl.parse_lines(body)
                : form == EventForm::kBatch ? impl.parse_batch(text)
                                            : impl.parse_single(text);
  if (impl.parser.capacity() > kRetainedBodyBytes) impl.parser = ondemand::parser();
  return result;
}

error_code EventParser::Impl::open(std::string_view text) {
  const std::size_t readable = static_cast<std::size_t>(body_end - text.data()) + simdjson::SIMDJSON_PADDING;
  return parser.iterate(text, readable).get(document);
}

/// Begins the next event, unless there are too many.
Result<void> EventParser::Impl::next_event() {
  if (parsed->total >= limits.events) {
    return fail(Errc::kTooLarge, "too many events in one request; send at most " + std::to_string(limits.events));
  }
  draft.begin();
  hasher.clear();
  return {};
}

void EventParser::Impl::finish_event() {
  const std::uint32_t index = parsed->total++;
  if (!draft.finish(now, *submission)) parsed->invalid.push_back(draft.problem(index));
}

void EventParser::Impl::refuse_json(error_code error) {
  draft.begin();  // Whatever else was wrong before it.
  draft.refuse(kWhole, json_problem(error));
}

Result<void> EventParser::Impl::parse_single(std::string_view body) {
  TIDEMARK_TRY(next_event());
  if (body.front() != '{') {
    return fail(Errc::kInvalidArgument, "the body must be one event, a JSON object");
  }
  if (const error_code error = read_single(body)) {
    return fail(Errc::kInvalidArgument, "the body " + json_problem(error));
  }
  finish_event();
  return {};
}

Result<void> EventParser::Impl::parse_batch(std::string_view body) {
  if (body.front() != '[') return fail(Errc::kInvalidArgument, "the body must be a JSON array of events");
  const auto broken = [this](error_code error) {
    parsed->clear();
    submission->items.clear();
    submission->encoded.clear();
    return fail(Errc::kInvalidArgument, "the body " + json_problem(error));
  };
  ondemand::array array;
  if (const error_code error = open(body)) return broken(error);
  if (const error_code error = document.get_array().get(array)) return broken(error);
  for (auto result : array) {
    ondemand::value element;
    if (const error_code error = std::move(result).get(element)) return broken(error);
    TIDEMARK_TRY(next_event());
    if (const error_code error = read_element(element)) return broken(error);
    finish_event();
  }
  if (!at_end(document)) return broken(simdjson::TRAILING_CONTENT);
  return {};
}

Result<void> EventParser::Impl::parse_lines(std::string_view body) {
  while (!body.empty()) {
    const auto end = body.find('\n');
    const std::string_view line = stripped(body.substr(0, end), kWhitespace);
    body = end == std::string_view::npos ? std::string_view() : body.substr(end + 1);
    if (line.empty()) continue;
    TIDEMARK_TRY(next_event());
    if (line.front() != '{') {
      draft.refuse(kWhole, "must be a JSON object on one line");
    } else if (const error_code error = read_single(line)) {
      refuse_json(error);
    }
    finish_event();
  }
  return {};
}

/// Reads a text that is one event.
error_code EventParser::Impl::read_single(std::string_view text) {
  if (text.size() > limits.event_bytes) {
    draft.refuse(kWhole, "is longer than " + std::to_string(limits.event_bytes) + " bytes");
    return simdjson::SUCCESS;
  }
  TIDEMARK_JSON_TRY(open(text));
  ondemand::object object;
  TIDEMARK_JSON_TRY(document.get_object().get(object));
  TIDEMARK_JSON_TRY(read_object(object));
  return at_end(document) ? simdjson::SUCCESS : simdjson::TRAILING_CONTENT;
}

/// Reads one element of a batch.
error_code EventParser::Impl::read_element(ondemand::value element) {
  const char* const begin = element.raw_json_token().data();
  if (first_character(element) != '{') {
    draft.refuse(kWhole, "must be a JSON object");
    return read_unused(element);
  }
  ondemand::object object;
  TIDEMARK_JSON_TRY(element.get_object().get(object));
  TIDEMARK_JSON_TRY(read_object(object));
  const char* end = nullptr;
  TIDEMARK_JSON_TRY(document.current_location().get(end));
  if (up_to(begin, end).size() > limits.event_bytes) {
    draft.refuse(kWhole, "is longer than " + std::to_string(limits.event_bytes) + " bytes");
  }
  return simdjson::SUCCESS;
}

error_code EventParser::Impl::read_object(ondemand::object& object) {
  for (auto result : object) {
    ondemand::field field;
    TIDEMARK_JSON_TRY(std::move(result).get(field));
    TIDEMARK_JSON_TRY(read_member(field));
  }
  return simdjson::SUCCESS;
}

error_code EventParser::Impl::read_member(ondemand::field& field) {
  JsonText name;
  TIDEMARK_JSON_TRY(read_name(field, name));
  ondemand::value& value = field.value();
  if (!name.storable) {
    draft.refuse(kWhole, "has a member whose name holds U+0000 or half of a surrogate pair");
    return read_unused(value);
  }
  const Attribute attribute = attribute_named(name.text);
  if (!draft.take(attribute, name.text)) return read_unused(value);
  switch (attribute) {
    case Attribute::kData:
      return read_data(value);
    case Attribute::kExtension:
      return read_extension(name, value);
    case Attribute::kDataBase64:
      draft.refuse(name.text, "isn't taken; send `data` as a JSON object");
      return read_unused(value);
    default:
      return read_text_attribute(attribute, value);
  }
}

/// Proves that a value is JSON, and moves past it.
error_code EventParser::Impl::read_unused(ondemand::value& value) {
  std::uint64_t unused = 0;
  return hasher.hash(value, unused);
}

error_code EventParser::Impl::read_text_attribute(Attribute attribute, ondemand::value& value) {
  if (first_character(value) != '"') {
    // A null is as good as nothing; where the attribute is required that is told at the end.
    if (trimmed(value.raw_json_token()) != "null") draft.refuse(attribute_name(attribute), "must be a string");
    return read_unused(value);
  }
  JsonText text;
  TIDEMARK_JSON_TRY(read_text(value, text));
  if (!text.storable) draft.refuse(attribute_name(attribute), fault_detail(DataFault::kText));
  draft.set_text(attribute, text.text);
  return simdjson::SUCCESS;
}

error_code EventParser::Impl::read_data(ondemand::value& value) {
  if (first_character(value) != '{') {
    if (trimmed(value.raw_json_token()) != "null") draft.refuse("data", "must be a JSON object, or be left out");
    return read_unused(value);
  }
  const char* const begin = value.raw_json_token().data();
  hasher.clear();
  std::uint64_t hash = 0;
  TIDEMARK_JSON_TRY(hasher.hash(value, hash));
  if (hasher.fault() != DataFault::kNone) draft.refuse("data", fault_detail(hasher.fault()));
  const char* end = nullptr;
  TIDEMARK_JSON_TRY(document.current_location().get(end));
  draft.set_data(up_to(begin, end), hash);
  return simdjson::SUCCESS;
}

error_code EventParser::Impl::read_extension(const JsonText& name, ondemand::value& value) {
  const char first = first_character(value);
  if (first == '"') {
    JsonText text;
    TIDEMARK_JSON_TRY(read_text(value, text));
    if (!text.storable) draft.refuse(name.text, fault_detail(DataFault::kText));
    draft.add_extension(name.written, text.written);
    return simdjson::SUCCESS;
  }
  const std::string_view token = trimmed(value.raw_json_token());
  if (first == '{' || first == '[') {
    draft.refuse(name.text, "must be a string, a number or a boolean: extension attributes have no structure");
  } else if (token != "null") {
    draft.add_extension(name.written, token);
  }
  return read_unused(value);
}

Result<void> EventParser::Impl::parse_binary(std::string_view body,
                                             std::span<const std::pair<std::string_view, std::string_view>> headers) {
  TIDEMARK_TRY(next_event());
  header_texts.clear();
  std::size_t size = 0;
  for (const auto& [name, value] : headers) size += name.size() + value.size();
  header_texts.reserve(size);
  for (const auto& [name, value] : headers) take_header(name, value);
  const std::string_view text = stripped(body, kWhitespace);
  if (text.size() > limits.event_bytes) {
    draft.refuse("data", "is longer than " + std::to_string(limits.event_bytes) + " bytes");
  } else if (!text.empty() && text != "null") {
    if (const error_code error = read_binary_data(text)) draft.refuse("data", json_problem(error));
  }
  finish_event();
  return {};
}

error_code EventParser::Impl::read_binary_data(std::string_view body) {
  if (body.front() != '{') {
    draft.refuse("data", "must be a JSON object, or be left out");
    return simdjson::SUCCESS;
  }
  TIDEMARK_JSON_TRY(open(body));
  ondemand::object object;
  TIDEMARK_JSON_TRY(document.get_object().get(object));
  std::uint64_t hash = 0;
  TIDEMARK_JSON_TRY(hasher.hash(object, hash));
  if (!at_end(document)) return simdjson::TRAILING_CONTENT;
  if (hasher.fault() != DataFault::kNone) draft.refuse("data", fault_detail(hasher.fault()));
  draft.set_data(body, hash);
  return simdjson::SUCCESS;
}

void EventParser::Impl::take_header(std::string_view header, std::string_view value) {
  const bool is_content_type = same_ignoring_case(header, "content-type");
  if (!is_content_type && !same_ignoring_case(header.substr(0, kHeaderPrefix.size()), kHeaderPrefix)) return;

  // The views stay: there is room for all names and values of the request.
  std::string_view name = attribute_name(Attribute::kDatacontenttype);
  if (!is_content_type) {
    const std::string_view sent = header.substr(kHeaderPrefix.size());
    const std::size_t name_begin = header_texts.size();
    std::transform(sent.begin(), sent.end(), std::back_inserter(header_texts), lower_ascii);
    name = std::string_view(header_texts).substr(name_begin);
  }
  const std::size_t text_begin = header_texts.size();
  const bool decoded = is_content_type ? (header_texts.append(value), true) : append_header_text(header_texts, value);
  const std::string_view text = std::string_view(header_texts).substr(text_begin);

  const Attribute attribute = attribute_named(name);
  if (!draft.take(attribute, name)) return;
  if (!decoded) return draft.refuse(name, "has a quote that isn't closed or a % that begins no escape");
  if (!is_storable_text(text)) return draft.refuse(name, "must be UTF-8 without U+0000");
  if (attribute == Attribute::kData || attribute == Attribute::kDataBase64) {
    return draft.refuse(name, "isn't a header; send the data as the body");
  }
  if (attribute != Attribute::kExtension) return draft.set_text(attribute, text);
  std::string written_name;
  std::string written_text;
  append_json_string(written_name, name);
  append_json_string(written_text, text);
  draft.add_extension(written_name, written_text);
}

}  // namespace tidemark::ingest
