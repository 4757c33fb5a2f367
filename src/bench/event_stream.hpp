#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tidemark/base/time.hpp"
#include "tidemark/bench/bench.hpp"

namespace tidemark::bench {

inline constexpr std::string_view kEventType = "bench.use";

/// Events counted and the sum of their amounts, each identity once.
struct EventTotals {
  std::uint64_t events = 0;
  std::uint64_t amount = 0;
  EventTotals& operator+=(const EventTotals& other) noexcept {
    events += other.events;
    amount += other.amount;
    return *this;
  }
  bool operator==(const EventTotals&) const = default;
};

/// One request, built once; each use changes only ids, subjects and amounts in place.
struct EventRequest {
  std::string bytes;                  ///< Head and body.
  std::vector<std::size_t> event_at;  ///< Where each event begins.
  EventTotals fresh;                  ///< Of the events in it now that no earlier request had.
};

/// Makes the requests of a run. An event is a function of its number, so that a repeated one has the same content.
class EventStream {
 public:
  /// `run` tells the ids of this run from those of others.
  EventStream(const Options& options, std::uint32_t run, Timestamp event_time, std::string_view host);

  EventRequest make_request() const;
  /// Fills the request with the events that come next.
  void fill(EventRequest& request);
  std::size_t events_per_request() const noexcept { return batch_events_; }
  std::string body_of(const EventRequest& request) const { return request.bytes.substr(head_.size()); }

 private:
  std::uint64_t next_number(EventTotals& fresh);

  const std::size_t batch_events_;
  const BatchForm form_;
  const std::uint64_t subjects_;
  const std::uint64_t repeat_below_;  ///< Of 2^32: the chance that an event is a repeated one.
  std::string event_;                 ///< The template of one event.
  std::size_t id_at_ = 0;
  std::size_t subject_at_ = 0;
  std::size_t amount_at_ = 0;
  std::string head_;
  std::uint64_t fresh_count_ = 0;
  std::uint64_t random_ = 0x2545f4914f6cdd1d;
};

/// A number mixed so that neighbours have nothing in common (SplitMix64).
constexpr std::uint64_t mix(std::uint64_t number) noexcept {
  number += 0x9e3779b97f4a7c15;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  return number ^ (number >> 31);
}

}  // namespace tidemark::bench
