#include "event_answer.hpp"

#include <string>
#include <utility>

#include "tidemark/base/json_text.hpp"

namespace tidemark::ingest_http {
namespace {

using arrivals::Verdict;

constexpr std::size_t kListedErrorsMax = 1'000;
/// What a verdict takes in JSON, about.
constexpr std::size_t kVerdictBytes = 24;

std::uint32_t& count_of(VerdictCounts& counts, Verdict verdict) {
  return counts[static_cast<std::size_t>(verdict)];
}
std::uint32_t count_of(const VerdictCounts& counts, Verdict verdict) {
  return counts[static_cast<std::size_t>(verdict)];
}

/// Calls `on_invalid` and `on_verdict` for the events in request order. `verdicts` may be short of the valid events,
/// when these were not looked up: they are then passed over.
template <class OnInvalid, class OnVerdict>
void for_each_event(const arrivals::Submission& submission, const ingest::ParsedEvents& parsed, OnInvalid on_invalid,
                    OnVerdict on_verdict) {
  auto invalid = parsed.invalid.begin();
  std::size_t item = 0;
  for (std::uint32_t index = 0; index < parsed.total; ++index) {
    if (invalid != parsed.invalid.end() && invalid->index == index) {
      on_invalid(*invalid++);
    } else if (item < submission.verdicts.size()) {
      on_verdict(index, submission.verdicts[item++]);
    }
  }
}

void append_counts(std::string& out, const VerdictCounts& counts) {
  char separator = '{';
  for (std::size_t i = 0; i < counts.size(); ++i) {
    out.push_back(std::exchange(separator, ','));
    append_json_string(out, arrivals::verdict_name(static_cast<Verdict>(i)));
    out.push_back(':');
    out.append(std::to_string(counts[i]));
  }
  out.push_back('}');
}

}  // namespace

VerdictCounts count_verdicts(const arrivals::Submission& submission, const ingest::ParsedEvents& parsed) {
  VerdictCounts counts{};
  for (const Verdict verdict : submission.verdicts) ++count_of(counts, verdict);
  count_of(counts, Verdict::kInvalid) += static_cast<std::uint32_t>(parsed.invalid.size());
  return counts;
}

bool is_refused(const VerdictCounts& counts) noexcept {
  return count_of(counts, Verdict::kConflict) + count_of(counts, Verdict::kTooLate) +
             count_of(counts, Verdict::kInvalid) >
         0;
}

net::Response verdicts_answer(const arrivals::Submission& submission, const ingest::ParsedEvents& parsed,
                              const VerdictCounts& counts) {
  net::Response response;
  response.content_type = "application/json";
  std::string& out = response.body;
  out.reserve(128 + parsed.total * kVerdictBytes);
  out.append("{\"counts\":");
  append_counts(out, counts);
  out.append(",\"verdicts\":[");
  for_each_event(
      submission, parsed,
      [&out](const ingest::InvalidEvent& invalid) {
        out.append(R"({"verdict":"invalid","field":)");
        append_json_string(out, invalid.field);
        out.append(",\"detail\":");
        append_json_string(out, invalid.detail);
        out.append("},");
      },
      [&out](std::uint32_t, Verdict verdict) {
        out.append("{\"verdict\":\"").append(arrivals::verdict_name(verdict)).append("\"},");
      });
  if (out.back() == ',') out.pop_back();
  out.append("]}");
  return response;
}

net::Response refused_answer(const arrivals::Submission& submission, const ingest::ParsedEvents& parsed,
                             const VerdictCounts& counts) {
  std::vector<net::ProblemField> fields;
  const auto list = [&fields](std::size_t index, std::string_view field, std::string_view detail) {
    if (fields.size() < kListedErrorsMax) fields.push_back({index, std::string(field), std::string(detail)});
  };
  for_each_event(
      submission, parsed,
      [&list](const ingest::InvalidEvent& invalid) { list(invalid.index, invalid.field, invalid.detail); },
      [&list](std::uint32_t index, Verdict verdict) {
        if (verdict == Verdict::kConflict) {
          list(index, "id", "is in conflict: an event with this id and source was stored with other content");
        } else if (verdict == Verdict::kTooLate) {
          list(index, "time", "is too late: it lies further back than max_event_age");
        }
      });
  const std::uint32_t refused =
      count_of(counts, Verdict::kConflict) + count_of(counts, Verdict::kTooLate) + count_of(counts, Verdict::kInvalid);
  std::string detail =
      "nothing of the request was stored, because some of its events can't be taken: " + std::to_string(refused) +
      " of " + std::to_string(parsed.total);
  if (refused > fields.size()) detail += "; the first " + std::to_string(fields.size()) + " are listed";
  return net::problem(Error(Errc::kInvalidArgument, std::move(detail)), fields);
}

}  // namespace tidemark::ingest_http
