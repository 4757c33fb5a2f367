#include "probe.hpp"

namespace tidemark::flow {
namespace {

double seconds_of(microseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

std::string_view flow_state_name(FlowState state) noexcept {
  switch (state) {
    case FlowState::kStarting:
      return "starting";
    case FlowState::kRunning:
      return "running";
    case FlowState::kCatchingUp:
      return "catching_up";
    case FlowState::kDegraded:
      return "degraded";
    case FlowState::kRefused:
      return "refused";
    case FlowState::kStopped:
      break;
  }
  return "stopped";
}

Probe::Probe(Metrics& metrics, std::string_view flow, log::Log& log, Clock& clock, log::Offset noted)
    : log_(log),
      clock_(clock),
      lag_(metrics.gauge("tidemark_flow_lag_seconds", "Time since the moment up to which SQL is complete.",
                         {{"flow", flow}})),
      backlog_(metrics.gauge("tidemark_flow_backlog_bytes", "Log that is not yet in SQL.", {{"flow", flow}})),
      last_success_(metrics.gauge("tidemark_flow_last_success_timestamp_seconds", "When SQL last took a transaction.",
                                  {{"flow", flow}})),
      items_(
          metrics.counter("tidemark_flow_items_total", "Items committed to SQL or dead-lettered.", {{"flow", flow}})),
      bytes_(metrics.counter("tidemark_flow_bytes_total", "Bytes of the records that committed pages finished.",
                             {{"flow", flow}})),
      pages_(metrics.counter("tidemark_flow_pages_total", "Pages committed.", {{"flow", flow}})),
      rows_(metrics.counter("tidemark_flow_rows_total", "Rows written by committed pages.", {{"flow", flow}})),
      retries_(
          metrics.counter("tidemark_flow_retries_total", "Attempts that failed and are made again.", {{"flow", flow}})),
      dead_letters_(
          metrics.counter("tidemark_flow_dead_letters_total", "Items and damaged spans set aside.", {{"flow", flow}})),
      commit_duration_(metrics.histogram("tidemark_flow_commit_duration_seconds",
                                         "Time from BEGIN to the reply to COMMIT.", duration_buckets(),
                                         {{"flow", flow}})),
      backlog_offset_(noted) {
  for (std::size_t state = 0; state < kStates; ++state) {
    states_[state] = &metrics.gauge("tidemark_flow_state", "1 for the state that the flow is in.",
                                    {{"flow", flow}, {"state", flow_state_name(static_cast<FlowState>(state))}});
  }
  set_state(FlowState::kStarting, "");
}

std::shared_ptr<Probe> Probe::make(Metrics& metrics, std::string_view flow, log::Log& log, Clock& clock,
                                   log::Offset noted) {
  std::shared_ptr<Probe> probe(new Probe(metrics, flow, log, clock, noted));
  metrics.before_exposition([probe] { probe->refresh(); });
  return probe;
}

void Probe::attempted() {
  const std::lock_guard lock(mutex_);
  status_.last_attempt = clock_.monotonic();
}

void Probe::opened(log::Position applied, std::optional<Timestamp> complete_through) {
  const std::lock_guard lock(mutex_);
  applied_up_to(applied);
  status_.complete_through = complete_through;
  // A degraded flow has to commit first: that a cursor can be read doesn't mean that it can be moved.
  if (status_.state != FlowState::kDegraded) set_state(FlowState::kRunning, "");
}

void Probe::committed(const PageEffect& effect) {
  const std::lock_guard lock(mutex_);
  if (effect.applied != status_.applied) pages_.add();
  applied_up_to(effect.applied);
  status_.complete_through = effect.complete_through;
  status_.last_success = clock_.now();
  status_.dead_letters += effect.dead_letters;
  set_state(effect.at_end ? FlowState::kRunning : FlowState::kCatchingUp, "");
  items_.add(static_cast<double>(effect.items));
  bytes_.add(static_cast<double>(effect.bytes));
  rows_.add(static_cast<double>(effect.rows));
  dead_letters_.add(static_cast<double>(effect.dead_letters));
}

void Probe::timed_commit(microseconds took) {
  commit_duration_.observe(seconds_of(took));
}

void Probe::failed(const Error& error) {
  const std::lock_guard lock(mutex_);
  ++status_.retries;
  retries_.add();
  set_state(error.code() == Errc::kRefused ? FlowState::kRefused : FlowState::kDegraded, error.message());
}

void Probe::stopped() {
  const std::lock_guard lock(mutex_);
  set_state(FlowState::kStopped, "");
}

void Probe::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

FlowStatus Probe::status() const {
  const std::lock_guard lock(mutex_);
  FlowStatus status = status_;
  status.backlog_bytes = log_.bytes_from(backlog_offset());
  return status;
}

void Probe::applied_up_to(log::Position applied) {
  opened_ = true;
  status_.applied = applied;
  applied_offset_.store(applied.offset, std::memory_order_release);
  backlog_offset_.store(applied.offset, std::memory_order_release);
}

void Probe::set_state(FlowState state, std::string reason) {
  status_.state = state;
  status_.reason = std::move(reason);
  for (std::size_t i = 0; i < kStates; ++i) states_[i]->set(i == static_cast<std::size_t>(state) ? 1 : 0);
}

void Probe::refresh() {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  if (opened_) backlog_.set(static_cast<double>(log_.bytes_from(status_.applied.offset)));
  if (status_.complete_through) lag_.set(seconds_of(clock_.now() - *status_.complete_through));
  if (status_.last_success) last_success_.set(seconds_of(status_.last_success->time_since_epoch()));
}

}  // namespace tidemark::flow
