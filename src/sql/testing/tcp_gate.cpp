#include "tidemark/sql/testing/tcp_gate.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>
#include <string_view>

namespace tidemark::sql::testing {
namespace {

constexpr int kTickMs = 5;  // How soon a change of mode shows.

sockaddr_in address_of(const std::string& host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1)
    throw std::runtime_error("not an IPv4 address: " + host);
  return address;
}

bool send_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

/// True if the bytes hold the statement COMMIT: the word alone, not a part of one.
bool holds_commit(std::string_view bytes) {
  constexpr std::string_view kCommit = "COMMIT";
  const auto in_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  for (std::size_t at = bytes.find(kCommit); at != std::string_view::npos; at = bytes.find(kCommit, at + 1)) {
    const std::size_t end = at + kCommit.size();
    if ((at == 0 || !in_word(bytes[at - 1])) && (end == bytes.size() || !in_word(bytes[end]))) return true;
  }
  return false;
}

}  // namespace

struct TcpGate::Link {
  Link(int client_socket, int server_socket) : client(client_socket), server(server_socket) {}
  ~Link() {
    // An abrupt end, as of a network that breaks: no orderly goodbye.
    const linger reset{1, 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(client);
    close(server);
  }
  const int client;
  const int server;
  std::string tail;                        // Of what the client sent, in case a COMMIT comes in pieces.
  AtCommit at_reply = AtCommit::kNothing;  // What is to happen to the answer that comes next.
};

TcpGate::TcpGate(std::string host, std::uint16_t port) : host_(std::move(host)), server_port_(port) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = address_of("127.0.0.1", 0);
  socklen_t size = sizeof address;
  if (listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      listen(listener_, 64) != 0 || getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("the TCP gate has no port");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

TcpGate::~TcpGate() {
  thread_.request_stop();
  thread_.join();
  links_.clear();
  close(listener_);
}

void TcpGate::accept_link() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = address_of(host_, server_port_);
  auto link = std::make_unique<Link>(client, server);
  if (mode_ == Mode::kRefusing || connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return;
  const int on = 1;
  setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  links_.push_back(std::move(link));
}

void TcpGate::run(std::stop_token stop) {
  int cuts_done = 0;
  std::vector<pollfd> sockets;
  while (!stop.stop_requested()) {
    if (cuts_done != cuts_.load()) {
      cuts_done = cuts_.load();
      links_.clear();
    }
    if (mode_ == Mode::kRefusing) links_.clear();
    const bool stalled = mode_ == Mode::kStalled;
    sockets.assign(1, {listener_, POLLIN, 0});
    for (const auto& link : links_) {
      const short events = stalled ? 0 : POLLIN;
      sockets.push_back({link->client, events, 0});
      sockets.push_back({link->server, events, 0});
    }
    if (poll(sockets.data(), sockets.size(), kTickMs) <= 0) continue;
    for (std::size_t i = links_.size(); i-- > 0;) {
      if (!stalled && !pass(*links_[i], sockets[2 * i + 1].revents, sockets[2 * i + 2].revents)) {
        links_.erase(links_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if ((sockets[0].revents & POLLIN) != 0) accept_link();
  }
}

bool TcpGate::pass(Link& link, short client_events, short server_events) {
  if (client_events != 0 && !pass_to_server(link)) return false;
  return server_events == 0 || pass_to_client(link);
}

bool TcpGate::pass_to_server(Link& link) {
  std::array<char, 65536> buffer;
  const ssize_t size = recv(link.client, buffer.data(), buffer.size(), 0);
  if (size <= 0) return false;
  const std::string_view bytes(buffer.data(), static_cast<std::size_t>(size));
  link.tail.append(bytes);
  if (at_commit_ != AtCommit::kNothing && holds_commit(link.tail)) {
    const AtCommit action = at_commit_.exchange(AtCommit::kNothing);
    if (action == AtCommit::kCutBefore) return false;
    link.at_reply = action;
  }
  constexpr std::size_t kTailBytes = 8;
  if (link.tail.size() > kTailBytes) link.tail.erase(0, link.tail.size() - kTailBytes);
  // What was looked at once must not be found again.
  if (holds_commit(link.tail)) link.tail.clear();
  return send_all(link.server, bytes);
}

bool TcpGate::pass_to_client(Link& link) {
  std::array<char, 65536> buffer;
  const ssize_t size = recv(link.server, buffer.data(), buffer.size(), 0);
  if (size <= 0) return false;
  if (link.at_reply == AtCommit::kCutAfter) return false;
  if (link.at_reply == AtCommit::kSwallowReply) return true;
  return send_all(link.client, {buffer.data(), static_cast<std::size_t>(size)});
}

Endpoint endpoint_of(const std::string& url) {
  const std::size_t begin = std::max(url.find("://") + 3, url.find('@') == std::string::npos ? 0 : url.find('@') + 1);
  const std::string authority = url.substr(begin, url.find('/', begin) - begin);
  const std::size_t colon = authority.rfind(':');
  if (colon == std::string::npos) throw std::runtime_error("no port in the URL");
  return {authority.substr(0, colon), static_cast<std::uint16_t>(std::stoi(authority.substr(colon + 1)))};
}

std::string with_endpoint(const std::string& url, const std::string& host, std::uint16_t port) {
  const Endpoint old = endpoint_of(url);
  const std::string text = old.host + ":" + std::to_string(old.port);
  std::string changed = url;
  return changed.replace(changed.find(text), text.size(), host + ":" + std::to_string(port));
}

}  // namespace tidemark::sql::testing
