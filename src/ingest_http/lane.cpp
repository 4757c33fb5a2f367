#include "lane.hpp"

#include <algorithm>
#include <utility>

#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/json_text.hpp"
#include "tidemark/base/logging.hpp"

namespace tidemark::ingest_http {
namespace {

using arrivals::Submission;
using arrivals::Verdict;

/// What the free submissions of one io thread may hold together.
constexpr std::size_t kFreeBytesMax = 16u << 20;
constexpr std::size_t kFreeMax = 1'024;
/// One that grew beyond this is given back, so that a few large requests don't take the room of many small ones.
constexpr std::size_t kFreeEachMax = 1u << 20;

/// Requests of one round go to the committer together, at one wake-up; with so much of them it may begin at once.
constexpr std::size_t kSubmitAtOnceBytes = 64u << 10;

constexpr std::string_view kUuidRule =
    "must be a UUID in its canonical form: 36 characters, lower-case, such as 12345678-1234-5678-1234-567812345678";

/// The answer hides what went wrong inside, and points to the log.
void log_failure(const net::Exchange& exchange, const Error& error) {
  if (traits(error.code()).http_status != 500) return;
  logging::error("request failed", {{"error", error}, {"request_id", exchange.request_id()}});
}

net::ProblemField problem_field(std::string_view field, const Error& error) {
  return {0, std::string(field), error.message()};
}

}  // namespace

std::size_t Pending::memory_bytes() const noexcept {
  return sizeof(Pending) + submission.encoded.capacity() + submission.items.capacity() * sizeof(Submission::Item) +
         submission.verdicts.capacity() * sizeof(Verdict) + parsed.invalid.capacity() * sizeof(ingest::InvalidEvent);
}

Pending& PendingPool::acquire() {
  if (free_.empty()) {
    under_way_.push_back(std::make_unique<Pending>());
  } else {
    free_bytes_ -= free_.back()->memory_bytes();
    under_way_.push_back(std::move(free_.back()));
    free_.pop_back();
  }
  Pending& pending = *under_way_.back();
  pending.slot = under_way_.size() - 1;
  return pending;
}

void PendingPool::release(Pending& pending) {
  const std::size_t slot = pending.slot;
  TIDEMARK_ASSERT(slot < under_way_.size() && under_way_[slot].get() == &pending);
  pending.submission.clear();
  pending.parsed.clear();
  std::unique_ptr<Pending> owned = std::move(under_way_[slot]);
  if (slot + 1 != under_way_.size()) {
    under_way_[slot] = std::move(under_way_.back());
    under_way_[slot]->slot = slot;
  }
  under_way_.pop_back();
  const std::size_t bytes = owned->memory_bytes();
  if (bytes > kFreeEachMax || free_.size() >= kFreeMax || free_bytes_ + bytes > kFreeBytesMax) return;
  free_bytes_ += bytes;
  free_.push_back(std::move(owned));
}

Lane::Lane(std::size_t io_thread, const IngestPorts& ports, const IngestOptions& options, IngestMetrics& metrics)
    : io_thread_(io_thread),
      ports_(ports),
      metrics_(metrics),
      event_parser_(options.limits, options.fingerprint_key, options.max_future_skew),
      increment_parser_(options.fingerprint_key) {}

void Lane::refuse(net::Exchange& exchange, const Error& error, std::span<const net::ProblemField> fields) {
  metrics_.count_refused(error.code());
  log_failure(exchange, error);
  exchange.answer(net::problem(error, fields));
}

/// Takes a submission for the request's tenant; null when the tenant is refused, which is answered then.
Pending* Lane::begin(net::Exchange& exchange) {
  const auto tenant = ports_.tenant(exchange.request());
  if (!tenant) {
    refuse(exchange, tenant.error());
    return nullptr;
  }
  Pending& pending = pool_.acquire();
  pending.exchange = &exchange;
  pending.began = ports_.clock->monotonic();
  pending.submission.tenant = *tenant;
  pending.submission.sink = this;
  pending.submission.owner = &pending;
  return &pending;
}

void Lane::submit(Pending& pending) {
  if (const auto admitted = ports_.admits(pending.submission); !admitted) {
    return refuse_and_release(pending, admitted.error());
  }
  parsed_.push_back(&pending.submission);
  parsed_bytes_ += pending.submission.encoded.size();
  if (parsed_bytes_ >= kSubmitAtOnceBytes) return submit_parsed();
  // Together with those of the other connections that are served before this task runs.
  if (parsed_.size() == 1) ports_.post(io_thread_, [this] { submit_parsed(); });
}

void Lane::submit_parsed() {
  if (parsed_.empty()) return;
  parsed_bytes_ = 0;
  if (const auto submitted = ports_.submit(parsed_); !submitted) {
    for (const Submission* submission : parsed_) {
      refuse_and_release(*static_cast<Pending*>(submission->owner), submitted.error());
    }
  }
  parsed_.clear();
}

void Lane::refuse_and_release(Pending& pending, const Error& error) {
  net::Exchange& exchange = *pending.exchange;
  pool_.release(pending);
  refuse(exchange, error);
}

void Lane::post_increment(net::Exchange& exchange) {
  Pending* pending = begin(exchange);
  if (pending == nullptr) return;
  std::string field;
  if (const auto parsed = parse_increment(*pending, field); !parsed) {
    pool_.release(*pending);
    const net::ProblemField fault = problem_field(field, parsed.error());
    return refuse(exchange, parsed.error().with_context(field), std::span(&fault, 1));
  }
  submit(*pending);
}

Result<void> Lane::parse_increment(Pending& pending, std::string& field) {
  const net::Request& request = pending.exchange->request();
  const auto key = idempotency_key(request);
  if (!key) {
    field = "Idempotency-Key";
    return fail(key.error());
  }
  return increment_parser_.parse(request.body, key->value_or(std::string_view()), pending.submission, field);
}

void Lane::post_events(net::Exchange& exchange) {
  const net::Request& request = exchange.request();
  const auto form = request_form(request);
  if (!form) return refuse(exchange, form.error());
  Pending* pending = begin(exchange);
  if (pending == nullptr) return;
  pending->form = *form;
  pending->submission.all_or_nothing = !form->verdicts;
  const auto parsed = event_parser_.parse(form->form, request.body, request.headers, ports_.arrival_time(),
                                          pending->submission, pending->parsed);
  if (!parsed) {
    pool_.release(*pending);
    return refuse(exchange, parsed.error());
  }
  const bool refused = !form->verdicts && !pending->parsed.invalid.empty();
  if (refused || pending->submission.items.empty()) {
    drained_at_ = ports_.clock->monotonic();
    return answer_events(*pending);
  }
  submit(*pending);
}

void Lane::completed(std::span<Submission* const> submissions) noexcept {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = arrived_.empty();
    arrived_.insert(arrived_.end(), submissions.begin(), submissions.end());
  }
  // One task brings back all that arrive until it runs.
  if (first) ports_.post(io_thread_, [this] { answer_arrived(); });
}

void Lane::answer_arrived() {
  {
    const std::lock_guard lock(mutex_);
    draining_.swap(arrived_);
  }
  drained_at_ = ports_.clock->monotonic();
  for (Submission* submission : draining_) answer(*static_cast<Pending*>(submission->owner));
  draining_.clear();
  metrics_.count_increments(std::exchange(increment_counts_, {}));
}

void Lane::answer(Pending& pending) {
  if (const auto& outcome = pending.submission.outcome; !outcome) {
    const Error error = outcome.error();
    net::Exchange& exchange = *pending.exchange;
    pool_.release(pending);
    return refuse(exchange, error);
  }
  if (pending.submission.kind == log::RecordKind::kIncrements) return answer_increment(pending);
  answer_events(pending);
}

void Lane::answer_increment(Pending& pending) {
  const Verdict verdict = pending.submission.verdicts.front();
  ++increment_counts_[static_cast<std::size_t>(verdict)];
  metrics_.observe_increment(drained_at_ - pending.began);
  if (verdict == Verdict::kConflict) {
    const Error error(Errc::kConflict, "this Idempotency-Key was used before with another key or value");
    const net::ProblemField fault = problem_field("Idempotency-Key", error);
    return answer_and_release(pending, net::problem(error, std::span(&fault, 1)));
  }
  net::Exchange& exchange = *pending.exchange;
  pool_.release(pending);
  exchange.answer_preformatted(200, true);
}

void Lane::answer_events(Pending& pending) {
  VerdictCounts counts = count_verdicts(pending.submission, pending.parsed);
  metrics_.observe_events(drained_at_ - pending.began);
  if (pending.form.verdicts) {
    metrics_.count_events(counts);
    net::Response response = verdicts_answer(pending.submission, pending.parsed, counts);
    if (pending.form.by_preference) response.headers.emplace_back("Preference-Applied", "return=representation");
    return answer_and_release(pending, std::move(response));
  }
  if (is_refused(counts)) {
    net::Response response = refused_answer(pending.submission, pending.parsed, counts);
    counts[static_cast<std::size_t>(Verdict::kNew)] = 0;  // They weren't stored.
    counts[static_cast<std::size_t>(Verdict::kDuplicate)] = 0;
    metrics_.count_events(counts);
    metrics_.count_refused(Errc::kInvalidArgument);
    return answer_and_release(pending, std::move(response));
  }
  metrics_.count_events(counts);
  net::Exchange& exchange = *pending.exchange;
  pool_.release(pending);
  exchange.answer_preformatted(204, false);
}

void Lane::answer_and_release(Pending& pending, net::Response response) {
  net::Exchange& exchange = *pending.exchange;
  pool_.release(pending);
  exchange.answer(std::move(response));
}

void Lane::get_increment(net::Exchange& exchange, std::string_view text) {
  const auto key = arrivals::uuid_from_text(text);
  if (!key || arrivals::uuid_to_text(*key) != text) {
    const Error error(Errc::kInvalidArgument, std::string(kUuidRule));
    const net::ProblemField fault = problem_field("key", error);
    return refuse(exchange, error.with_context("key"), std::span(&fault, 1));
  }
  const auto tenant = ports_.tenant(exchange.request());
  if (!tenant) return refuse(exchange, tenant.error());
  const auto asked = ports_.increments->read(
      *tenant, *key, [this, &exchange, key = *key](Result<std::optional<IncrementTotal>> total) {
        ports_.post(io_thread_,
                    [this, &exchange, key, total = std::move(total)] { answer_total(exchange, key, total); });
      });
  if (!asked) refuse(exchange, asked.error());
}

void Lane::answer_total(net::Exchange& exchange, const std::array<std::byte, 16>& key,
                        const Result<std::optional<IncrementTotal>>& total) {
  if (!total) return refuse(exchange, total.error());
  if (!*total) return refuse(exchange, Error(Errc::kNotFound, "nothing was counted under this key yet"));
  net::Response response;
  response.content_type = "application/json";
  response.body = "{\"key\":";
  append_json_string(response.body, arrivals::uuid_to_text(key));
  response.body.append(",\"value\":").append(std::to_string((*total)->value));
  if (const auto through = (*total)->complete_through) {
    const std::string time = format_rfc3339(*through);
    response.body.append(",\"complete_through\":");
    append_json_string(response.body, time);
    response.headers.emplace_back("x-tidemark-complete-through", time);
  }
  response.body.push_back('}');
  exchange.answer(std::move(response));
}

}  // namespace tidemark::ingest_http
