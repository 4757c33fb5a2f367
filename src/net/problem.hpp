#pragma once

#include <string_view>

#include "tidemark/net/http_server.hpp"

namespace tidemark::net {

inline constexpr std::string_view kProblemContentType = "application/problem+json";

/// Makes a problem of `type`; 503 and 429 carry Retry-After.
Response make_problem(int status, std::string_view type, std::string_view detail, std::span<const ProblemField> fields,
                      int retry_after_seconds);

/// Adds the member `request_id` to a body made by make_problem().
void add_request_id(std::string& problem_body, std::string_view request_id);

}  // namespace tidemark::net
