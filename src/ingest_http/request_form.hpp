#pragma once

#include <optional>
#include <string_view>

#include "tidemark/base/error.hpp"
#include "tidemark/ingest/event_parser.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::ingest_http {

/// How a request for /api/v1/events is to be read and answered.
struct RequestForm {
  ingest::EventForm form = ingest::EventForm::kSingle;
  bool verdicts = false;       ///< Each event is to be told its verdict.
  bool by_preference = false;  ///< They were asked for by `Prefer`, which the answer confirms.
};

/// Errors: kUnsupported names the content types that are taken; kInvalidArgument when `verdicts` isn't true or false.
Result<RequestForm> request_form(const net::Request& request);

/// The header's value, nothing when absent. Error kInvalidArgument when it is empty or given twice.
Result<std::optional<std::string_view>> idempotency_key(const net::Request& request);

}  // namespace tidemark::ingest_http
