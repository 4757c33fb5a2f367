#pragma once

#include <array>
#include <cstdint>

#include "tidemark/arrivals/submission.hpp"
#include "tidemark/ingest/event_parser.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::ingest_http {

/// How many events got each verdict, by arrivals::Verdict.
using VerdictCounts = std::array<std::uint32_t, arrivals::kVerdictCount>;

/// Counts what was decided and what was invalid from the start.
VerdictCounts count_verdicts(const arrivals::Submission& submission, const ingest::ParsedEvents& parsed);

/// Whether the plain form answers 400: anything but new and duplicate.
bool is_refused(const VerdictCounts& counts) noexcept;

/// The answer with a verdict for each event, in request order.
net::Response verdicts_answer(const arrivals::Submission& submission, const ingest::ParsedEvents& parsed,
                              const VerdictCounts& counts);

/// The answer of the plain form when events are refused: 400, with the first 1,000 of them listed.
net::Response refused_answer(const arrivals::Submission& submission, const ingest::ParsedEvents& parsed,
                             const VerdictCounts& counts);

}  // namespace tidemark::ingest_http
