#include "ingest_metrics.hpp"

namespace tidemark::ingest_http {
namespace {

using arrivals::Verdict;

constexpr std::string_view kRefusedName = "tidemark_ingest_refused_total";
constexpr std::string_view kRefusedHelp = "Requests refused as a whole, by reason";
constexpr std::string_view kDurationName = "tidemark_ingest_request_duration_seconds";
constexpr std::string_view kDurationHelp = "From a request's last byte to its answer, sync included";

double in_seconds(microseconds duration) noexcept {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

IngestMetrics::IngestMetrics(Metrics& metrics)
    : wrong_method_(metrics.counter(kRefusedName, kRefusedHelp, {{"reason", "method_not_allowed"}})),
      increment_duration_(
          metrics.histogram(kDurationName, kDurationHelp, duration_buckets(), {{"route", "increment"}})),
      events_duration_(metrics.histogram(kDurationName, kDurationHelp, duration_buckets(), {{"route", "events"}})) {
  for (std::size_t i = 0; i < events_.size(); ++i) {
    events_[i] = &metrics.counter("tidemark_ingest_events_total", "Events by the verdict that was told or would be",
                                  {{"verdict", arrivals::verdict_name(static_cast<Verdict>(i))}});
  }
  for (const Verdict verdict : {Verdict::kNew, Verdict::kDuplicate, Verdict::kConflict}) {
    increments_[static_cast<std::size_t>(verdict)] = &metrics.counter(
        "tidemark_ingest_increments_total", "Increments by verdict", {{"verdict", arrivals::verdict_name(verdict)}});
  }
  for (const Errc reason :
       {Errc::kInvalidArgument, Errc::kTooLarge, Errc::kUnsupported, Errc::kNotFound, Errc::kUnavailable,
        Errc::kUnauthenticated, Errc::kForbidden, Errc::kRateLimited, Errc::kInternal}) {
    refused_[static_cast<std::size_t>(reason)] =
        &metrics.counter(kRefusedName, kRefusedHelp, {{"reason", traits(reason).label}});
  }
}

void IngestMetrics::count_events(const VerdictCounts& counts) noexcept {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) events_[i]->add(counts[i]);
  }
}

void IngestMetrics::count_increments(const VerdictCounts& counts) noexcept {
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0 && increments_[i] != nullptr) increments_[i]->add(counts[i]);
  }
}

void IngestMetrics::count_refused(Errc reason) noexcept {
  Counter* counter = refused_[static_cast<std::size_t>(reason)];
  (counter != nullptr ? counter : refused_[static_cast<std::size_t>(Errc::kInternal)])->add();
}

void IngestMetrics::observe_increment(microseconds duration) noexcept {
  increment_duration_.observe(in_seconds(duration));
}

void IngestMetrics::observe_events(microseconds duration) noexcept {
  events_duration_.observe(in_seconds(duration));
}

}  // namespace tidemark::ingest_http
