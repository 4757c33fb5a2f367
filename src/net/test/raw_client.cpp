#include "test/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>

#include "ascii.hpp"
#include "tidemark/base/assert.hpp"

namespace tidemark::net {
namespace {

void connect_to(int socket, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  TIDEMARK_ASSERT(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
}

}  // namespace

std::string RawResponse::header(std::string_view name) const {
  std::string_view rest = head;
  while (!rest.empty()) {
    const auto end = rest.find("\r\n");
    const std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 2);
    const auto colon = line.find(": ");
    if (colon != std::string_view::npos && same_ignoring_case(line.substr(0, colon), name)) {
      return std::string(line.substr(colon + 2));
    }
  }
  return {};
}

RawClient::RawClient(Unconnected) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  TIDEMARK_ASSERT(socket_ >= 0);
}

RawClient::RawClient(std::uint16_t port) : RawClient(Unconnected()) {
  connect_to(socket_, port);
}

RawClient RawClient::with_small_window(std::uint16_t port) {
  RawClient client{Unconnected()};
  const int bytes = 4096;
  ::setsockopt(client.socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  connect_to(client.socket_, port);
  return client;
}

RawClient::~RawClient() {
  close();
}

void RawClient::close(bool reset) {
  if (socket_ < 0) return;
  if (reset) {
    const linger hard{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  ::close(std::exchange(socket_, -1));
}

bool RawClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool RawClient::fill() {
  pollfd readable{socket_, POLLIN, 0};
  if (::poll(&readable, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) != 1) return false;
  char bytes[64 << 10];
  const ssize_t count = ::recv(socket_, bytes, sizeof bytes, 0);
  if (count <= 0) return false;
  unread_.append(bytes, static_cast<std::size_t>(count));
  return true;
}

std::optional<RawResponse> RawClient::read_response(bool to_head) {
  std::size_t head_end = 0;
  while ((head_end = unread_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  RawResponse response;
  response.head = unread_.substr(0, head_end);
  unread_.erase(0, head_end + 4);
  TIDEMARK_ASSERT(response.head.starts_with("HTTP/1.1 "));
  std::from_chars(response.head.data() + 9, response.head.data() + 12, response.status);
  std::size_t size = 0;
  const std::string length = response.header("Content-Length");
  std::from_chars(length.data(), length.data() + length.size(), size);
  if (to_head) size = 0;
  while (unread_.size() < size) {
    if (!fill()) return std::nullopt;
  }
  response.body = unread_.substr(0, size);
  unread_.erase(0, size);
  return response;
}

bool RawClient::closed_silently() {
  pollfd readable{socket_, POLLIN, 0};
  if (!unread_.empty()) return false;
  if (::poll(&readable, 1, static_cast<int>(std::chrono::milliseconds(kPatience).count())) != 1) return false;
  char byte = 0;
  return ::recv(socket_, &byte, 1, 0) <= 0;
}

}  // namespace tidemark::net
