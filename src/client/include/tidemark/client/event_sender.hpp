#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tidemark/base/error.hpp"
#include "tidemark/base/time.hpp"

namespace tidemark::client {

/// How many events got which verdict.
struct VerdictCounts {
  std::uint64_t fresh = 0;  ///< `new`
  std::uint64_t duplicate = 0;
  std::uint64_t conflict = 0;
  std::uint64_t too_late = 0;
  std::uint64_t invalid = 0;
  std::uint64_t total() const noexcept { return fresh + duplicate + conflict + too_late + invalid; }
};

/// An event that was not taken, by its place in the input.
struct RefusedEvent {
  std::uint64_t line = 0;  ///< From 1.
  std::string verdict;
  std::string field;
  std::string detail;
};

struct EventSenderOptions {
  std::string server = "http://127.0.0.1:8080";
  std::string token;  ///< Bearer token; none if empty.
  std::size_t batch_events = 1000;
  std::size_t batch_bytes = 1u << 20;     ///< A batch is sent before it grows past this; one event may be larger.
  std::size_t line_bytes_max = 1u << 20;  ///< A longer line is refused here.
  microseconds request_timeout = seconds(60);
  /// Of trying one batch again while the server can't be reached or asks to wait. No wait is begun that would end
  /// later, so this bounds a server's Retry-After too.
  microseconds give_up_after = seconds(120);
};

/// Where bytes come from: fills the front of `room` and returns how much; 0 at the end.
using ReadBytes = std::function<Result<std::size_t>(std::span<char> room)>;

/// Sends events as NDJSON batches and counts their verdicts. A batch that got no answer, or 408, 429, 502, 503 or 504,
/// is sent again after a jittered, growing wait, or as long as the server asks: repeats are answered `duplicate`, so
/// nothing doubles. An error ends it: every later call answers that error again, and what `counts()` leaves out may or
/// may not have been taken. *Concurrency*: one thread. *Limits*: memory for one batch, one line and one answer.
class EventSender {
 public:
  explicit EventSender(EventSenderOptions options);
  ~EventSender();
  EventSender(const EventSender&) = delete;
  EventSender& operator=(const EventSender&) = delete;

  /// Adds one event, a JSON object without its newline; sends a batch when it is full. Blank lines count as lines and
  /// are left out. Errors: kConnectionLost when the server could not be reached in time, kUnavailable when it kept
  /// asking to wait, kInvalidArgument for a URL or token that can't be one, others as the server answers.
  Result<void> add(std::string_view line);
  /// Sends what is left.
  Result<void> finish();
  /// Adds every line that `read` brings, the last with or without its newline, and finishes. Errors: those of add() and
  /// of `read`, which sends nothing more.
  Result<void> send_all(const ReadBytes& read);

  const VerdictCounts& counts() const noexcept;
  /// The first 100 events that were not taken.
  const std::vector<RefusedEvent>& refused() const noexcept;

  /// Called after each batch.
  std::function<void(const VerdictCounts&)> on_progress;
  /// Called before each wait, with the reason.
  std::function<void(const Error&, microseconds wait)> on_retry;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tidemark::client
