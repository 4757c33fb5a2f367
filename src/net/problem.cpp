#include "problem.hpp"

#include <nlohmann/json.hpp>

#include "response.hpp"
#include "tidemark/base/assert.hpp"

namespace tidemark::net {

Response make_problem(int status, std::string_view type, std::string_view detail, std::span<const ProblemField> fields,
                      int retry_after_seconds) {
  nlohmann::ordered_json body = {
      {"type", type}, {"title", reason_phrase(status)}, {"status", status}, {"detail", detail}};
  if (!fields.empty()) {
    auto& errors = body["errors"] = nlohmann::ordered_json::array();
    for (const auto& field : fields) {
      errors.push_back({{"index", field.index}, {"field", field.field}, {"detail", field.detail}});
    }
  }
  Response response;
  response.status = status;
  response.content_type = kProblemContentType;
  // Details may quote what a client sent, which need not be UTF-8.
  response.body = body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  if (status == 503 || status == 429) response.headers.emplace_back("Retry-After", std::to_string(retry_after_seconds));
  return response;
}

void add_request_id(std::string& problem_body, std::string_view request_id) {
  TIDEMARK_ASSERT(problem_body.ends_with('}'));
  problem_body.pop_back();
  problem_body += ",\"request_id\":\"";
  problem_body += request_id;  // Hexadecimal digits and a dash: nothing to escape.
  problem_body += "\"}";
}

Response problem(const Error& error, std::span<const ProblemField> fields, int retry_after_seconds) {
  const ErrcTraits& answers = traits(error.code());
  const std::string type = "urn:tidemark:error:" + std::string(answers.label);
  // What went wrong inside is for the log, not for the caller.
  std::string_view detail = error.message();
  if (answers.http_status == 500) detail = "internal error; the server's log tells more under this request id";
  return make_problem(answers.http_status, type, detail, fields, retry_after_seconds);
}

Response problem(int status, std::string_view label, std::string_view detail) {
  return make_problem(status, "urn:tidemark:error:" + std::string(label), detail, {}, 1);
}

}  // namespace tidemark::net
