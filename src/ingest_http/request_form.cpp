#include "request_form.hpp"

#include <string>

#include "tidemark/base/ascii.hpp"

namespace tidemark::ingest_http {
namespace {

using ingest::EventForm;

constexpr std::string_view kAcceptedTypes =
    "send application/cloudevents+json, application/cloudevents-batch+json, application/json or application/x-ndjson, "
    "or the attributes as ce-* headers";

/// Takes the part up to the next `separator` off `rest`.
std::string_view take_part(std::string_view& rest, char separator) noexcept {
  const auto end = rest.find(separator);
  const std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return stripped(part);
}

/// Whether one of the preferences of a Prefer header (RFC 7240) is `return=representation`.
bool prefers_representation(std::string_view value) noexcept {
  while (!value.empty()) {
    std::string_view preference = take_part(value, ',');
    std::string_view token = take_part(preference, ';');
    const std::string_view name = take_part(token, '=');
    token = stripped(token);
    if (token.size() >= 2 && token.front() == '"' && token.back() == '"') token = token.substr(1, token.size() - 2);
    if (same_ignoring_case(name, "return") && same_ignoring_case(token, "representation")) return true;
  }
  return false;
}

/// What the headers say about the form.
struct FormHeaders {
  std::string_view media_type;
  bool has_attributes = false;   ///< Any ce-* header.
  bool has_specversion = false;  ///< ce-specversion, which every event in binary mode has.
  bool prefers_representation = false;
};

FormHeaders read_headers(const net::Request& request) {
  FormHeaders found;
  for (const auto& [name, value] : request.headers) {
    if (same_ignoring_case(name, "content-type")) {
      std::string_view rest = value;
      found.media_type = take_part(rest, ';');
    } else if (same_ignoring_case(name.substr(0, 3), "ce-")) {
      found.has_attributes = true;
      found.has_specversion = found.has_specversion || same_ignoring_case(name, "ce-specversion");
    } else if (same_ignoring_case(name, "prefer")) {
      found.prefers_representation = found.prefers_representation || prefers_representation(value);
    }
  }
  return found;
}

std::optional<EventForm> event_form(const FormHeaders& headers) {
  const std::string_view type = headers.media_type;
  if (same_ignoring_case(type, "application/cloudevents+json")) return EventForm::kSingle;
  if (same_ignoring_case(type, "application/cloudevents-batch+json")) return EventForm::kBatch;
  if (same_ignoring_case(type, "application/x-ndjson")) return EventForm::kLines;
  if (same_ignoring_case(type, "application/json")) {
    // In binary mode the content type is that of `data`, so it is mostly this one.
    return headers.has_specversion ? EventForm::kBinary : EventForm::kSingleOrBatch;
  }
  if (headers.has_attributes) return EventForm::kBinary;
  return std::nullopt;
}

}  // namespace

Result<RequestForm> request_form(const net::Request& request) {
  const FormHeaders headers = read_headers(request);
  const auto form = event_form(headers);
  if (!form) {
    return fail(Errc::kUnsupported, std::string("the Content-Type isn't taken here; ").append(kAcceptedTypes));
  }
  RequestForm result{*form, headers.prefers_representation, headers.prefers_representation};
  std::string verdicts;
  if (!request.query.empty() && request.query_parameter("verdicts", verdicts)) {
    if (verdicts != "true" && verdicts != "false") {
      return fail(Errc::kInvalidArgument, "the query parameter verdicts must be true or false");
    }
    result.verdicts = result.verdicts || verdicts == "true";
  }
  return result;
}

Result<std::optional<std::string_view>> idempotency_key(const net::Request& request) {
  std::optional<std::string_view> key;
  for (const auto& [name, value] : request.headers) {
    if (!same_ignoring_case(name, "idempotency-key")) continue;
    if (key) return fail(Errc::kInvalidArgument, "is given twice");
    if (value.empty()) return fail(Errc::kInvalidArgument, "must be 1 to 255 visible ASCII characters");
    key = value;
  }
  return key;
}

}  // namespace tidemark::ingest_http
