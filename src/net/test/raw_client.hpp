#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark::net {

/// A response as it stood on the wire.
struct RawResponse {
  int status = 0;
  std::string head;
  std::string body;
  /// The field's value; empty when absent.
  std::string header(std::string_view name) const;
};

/// A client that sends exactly the bytes it is told to. Everything waits kPatience at the most.
class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  RawClient(RawClient&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)), unread_(std::move(other.unread_)) {}
  ~RawClient();

  /// False once the peer has closed.
  bool send(std::string_view bytes);
  /// The next response; nothing if the connection ends before one is whole. `to_head`: it answers a HEAD request.
  std::optional<RawResponse> read_response(bool to_head = false);
  /// True if the peer closes, without sending anything more.
  bool closed_silently();
  /// Closes at once; with `reset`, by RST.
  void close(bool reset = false);
  /// Keeps the kernel from taking more than a few KiB that this client doesn't read. Before the first request.
  static RawClient with_small_window(std::uint16_t port);

 private:
  struct Unconnected {};
  explicit RawClient(Unconnected);
  bool fill();

  static constexpr std::chrono::seconds kPatience{120};
  int socket_ = -1;
  std::string unread_;
};

}  // namespace tidemark::net
