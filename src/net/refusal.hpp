#pragma once

#include <cstdint>
#include <string_view>

namespace tidemark::net {

/// Why the server itself turned a request or a connection away: the label of tidemark_net_refused_total.
enum class RefusedFor : std::uint8_t {
  kConnections,
  kHeadSize,
  kBodySize,
  kSlowHead,
  kSlowBody,
  kMalformed,
  kEncoding
};
inline constexpr std::size_t kRefusedForCount = 7;

/// A request that no handler gets to see. The connection is closed after it.
struct Refusal {
  int status = 400;
  RefusedFor reason = RefusedFor::kMalformed;
  std::string_view detail;  ///< Static text that names the rule and the remedy.
};

}  // namespace tidemark::net
