#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace tidemark::sql::testing {

/// A TCP proxy on a loopback port that passes bytes on to a server, and breaks the network between on request: the wire
/// must be readable (no TLS) for what it does at a COMMIT. *Concurrency*: every call from any thread; the proxy is one
/// thread of its own.
class TcpGate {
 public:
  /// Stands before the server at `host`:`port`; takes connections at once. Throws if no port can be had.
  TcpGate(std::string host, std::uint16_t port);
  ~TcpGate();
  TcpGate(const TcpGate&) = delete;
  TcpGate& operator=(const TcpGate&) = delete;

  /// The port to connect to, on 127.0.0.1.
  std::uint16_t port() const noexcept { return port_; }

  /// Passes bytes on, and new connections; ends a stall or a refusal. What stalled goes on where it stood.
  void open() { mode_ = Mode::kOpen; }
  /// Holds every byte back, both ways, on old and new connections, and keeps the connections: a network that hangs.
  void stall() { mode_ = Mode::kStalled; }
  /// Cuts every connection and each new one at once: a server that is down.
  void refuse() { mode_ = Mode::kRefusing; }
  /// Cuts every connection that there is now.
  void cut() { ++cuts_; }

  /// Cuts the connection over which the next COMMIT goes: before the server sees it, or after the server has carried it
  /// out and before the client hears of it. Once.
  void cut_before_next_commit() { at_commit_ = AtCommit::kCutBefore; }
  void cut_after_next_commit() { at_commit_ = AtCommit::kCutAfter; }
  /// Lets the next COMMIT through and holds the server's answer back for good, the connection kept.
  void swallow_reply_to_next_commit() { at_commit_ = AtCommit::kSwallowReply; }
  /// True until the COMMIT that one of these waits for has come.
  bool awaits_commit() const noexcept { return at_commit_ != AtCommit::kNothing; }

 private:
  enum class Mode : std::uint8_t { kOpen, kStalled, kRefusing };
  enum class AtCommit : std::uint8_t { kNothing, kCutBefore, kCutAfter, kSwallowReply };
  struct Link;

  void run(std::stop_token stop);
  void accept_link();
  /// False when the link is to be cut.
  bool pass(Link& link, short client_events, short server_events);
  bool pass_to_server(Link& link);
  bool pass_to_client(Link& link);

  const std::string host_;
  const std::uint16_t server_port_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<Mode> mode_ = Mode::kOpen;
  std::atomic<AtCommit> at_commit_ = AtCommit::kNothing;
  std::atomic<int> cuts_ = 0;
  std::vector<std::unique_ptr<Link>> links_;  // Of the thread alone.
  std::jthread thread_;
};

/// The host and port of a server URL, `scheme://user@host:port/…`, and the URL with another host and port in their
/// place.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;
};
Endpoint endpoint_of(const std::string& url);
std::string with_endpoint(const std::string& url, const std::string& host, std::uint16_t port);

}  // namespace tidemark::sql::testing
