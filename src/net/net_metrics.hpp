#pragma once

#include <array>

#include "refusal.hpp"
#include "tidemark/base/metrics.hpp"

namespace tidemark::net {

/// The metrics of one server. Concurrency: safe from every io thread.
class NetMetrics {
 public:
  explicit NetMetrics(Metrics& metrics);

  void count_request(int status) noexcept;
  void count_refused(RefusedFor reason) noexcept { refused_[static_cast<std::size_t>(reason)]->add(); }
  void set_connections(std::size_t count) noexcept { connections_.set(static_cast<double>(count)); }

 private:
  Gauge& connections_;
  std::array<Counter*, 5> requests_;  ///< By the status' first digit, from 1xx.
  std::array<Counter*, kRefusedForCount> refused_;
};

}  // namespace tidemark::net
