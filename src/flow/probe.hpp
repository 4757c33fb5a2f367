#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "tidemark/base/clock.hpp"
#include "tidemark/base/metrics.hpp"
#include "tidemark/flow/log_flow.hpp"
#include "tidemark/log/log.hpp"

namespace tidemark::flow {

/// What one committed page did.
struct PageEffect {
  log::Position applied;  ///< Everything before it is in SQL.
  std::optional<Timestamp> complete_through;
  bool at_end = false;
  std::size_t items = 0;
  std::size_t bytes = 0;
  std::size_t rows = 0;
  std::size_t dead_letters = 0;
};

/// What others see of a flow: its status and its metrics. *Concurrency*: any thread. *Lifetime*: the metrics' registry
/// keeps it alive and asks it for numbers; after close() it has none.
class Probe {
 public:
  /// The backlog is counted from `noted` until the cursor was read.
  static std::shared_ptr<Probe> make(Metrics& metrics, std::string_view flow, log::Log& log, Clock& clock,
                                     log::Offset noted);

  void attempted();
  /// The cursor was read: everything before it is applied.
  void opened(log::Position applied, std::optional<Timestamp> complete_through);
  void committed(const PageEffect& effect);
  void timed_commit(microseconds took);
  void failed(const Error& error);
  void stopped();
  void close();

  FlowStatus status() const;
  log::Offset applied_offset() const noexcept { return applied_offset_.load(std::memory_order_acquire); }
  log::Offset backlog_offset() const noexcept { return backlog_offset_.load(std::memory_order_acquire); }

 private:
  Probe(Metrics& metrics, std::string_view flow, log::Log& log, Clock& clock, log::Offset noted);
  void applied_up_to(log::Position applied);
  void set_state(FlowState state, std::string reason);
  void refresh();

  static constexpr std::size_t kStates = static_cast<std::size_t>(FlowState::kStopped) + 1;

  log::Log& log_;
  Clock& clock_;
  Gauge& lag_;
  Gauge& backlog_;
  Gauge& last_success_;
  std::array<Gauge*, kStates> states_{};
  Counter& items_;
  Counter& bytes_;
  Counter& pages_;
  Counter& rows_;
  Counter& retries_;
  Counter& dead_letters_;
  Histogram& commit_duration_;

  std::atomic<log::Offset> applied_offset_{0};
  std::atomic<log::Offset> backlog_offset_;
  mutable std::mutex mutex_;
  FlowStatus status_;    // Guarded by mutex_.
  bool opened_ = false;  // Guarded by mutex_: status_.applied is known.
  bool closed_ = false;  // Guarded by mutex_.
};

}  // namespace tidemark::flow
