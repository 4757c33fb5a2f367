#pragma once

#include <array>

#include "event_answer.hpp"
#include "tidemark/base/error.hpp"
#include "tidemark/base/metrics.hpp"

namespace tidemark::ingest_http {

/// What the doors count. *Concurrency*: safe from every thread.
class IngestMetrics {
 public:
  explicit IngestMetrics(Metrics& metrics);

  void count_events(const VerdictCounts& counts) noexcept;
  void count_increments(const VerdictCounts& counts) noexcept;
  /// A request that was refused as a whole.
  void count_refused(Errc reason) noexcept;
  void count_wrong_method() noexcept { wrong_method_.add(); }
  void observe_increment(microseconds duration) noexcept;
  void observe_events(microseconds duration) noexcept;

 private:
  static constexpr std::size_t kErrcCount = static_cast<std::size_t>(Errc::kInternal) + 1;

  std::array<Counter*, arrivals::kVerdictCount> events_{};
  std::array<Counter*, arrivals::kVerdictCount> increments_{};  ///< Only new, duplicate and conflict.
  std::array<Counter*, kErrcCount> refused_{};
  Counter& wrong_method_;
  Histogram& increment_duration_;
  Histogram& events_duration_;
};

}  // namespace tidemark::ingest_http
