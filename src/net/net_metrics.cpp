#include "net_metrics.hpp"

#include "tidemark/base/assert.hpp"

namespace tidemark::net {
namespace {

constexpr std::array<std::string_view, 5> kStatusClasses = {"1xx", "2xx", "3xx", "4xx", "5xx"};
constexpr std::array<std::string_view, kRefusedForCount> kReasons = {
    "connections", "head_size", "body_size", "slow_head", "slow_body", "malformed", "encoding"};

}  // namespace

NetMetrics::NetMetrics(Metrics& metrics)
    : connections_(metrics.gauge("tidemark_net_connections", "Open client connections; up to 250 ms old.")) {
  for (std::size_t i = 0; i < kStatusClasses.size(); ++i) {
    requests_[i] = &metrics.counter("tidemark_net_requests_total", "Responses written, by the class of their status.",
                                    {{"status_class", kStatusClasses[i]}});
  }
  for (std::size_t i = 0; i < kReasons.size(); ++i) {
    refused_[i] = &metrics.counter("tidemark_net_refused_total",
                                   "Requests and connections that the server itself turned away, by the limit or rule.",
                                   {{"reason", kReasons[i]}});
  }
}

void NetMetrics::count_request(int status) noexcept {
  TIDEMARK_ASSERT(status >= 100 && status <= 599);
  requests_[static_cast<std::size_t>(status / 100 - 1)]->add();
}

}  // namespace tidemark::net
