#include "http_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <charconv>

namespace tidemark::ingest_http {
namespace {

constexpr timeval kPatience{120, 0};
constexpr std::string_view kHeadEnd = "\r\n\r\n";

std::size_t content_length(std::string_view head) {
  constexpr std::string_view kName = "\r\nContent-Length: ";
  const auto at = head.find(kName);
  std::size_t length = 0;
  if (at != std::string_view::npos) {
    std::from_chars(head.data() + at + kName.size(), head.data() + head.size(), length);
  }
  return length;
}

}  // namespace

HttpClient::HttpClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(std::exchange(socket_, -1));
  }
}

HttpClient::~HttpClient() {
  if (socket_ >= 0) ::close(socket_);
}

void HttpClient::send(std::string_view method, std::string_view path, std::string_view body,
                      const std::vector<std::pair<std::string_view, std::string_view>>& headers) {
  std::string text;
  text.append(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: test\r\n");
  text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  for (const auto& [name, value] : headers) text.append(name).append(": ").append(value).append("\r\n");
  text.append("\r\n").append(body);
  for (std::string_view rest = text; !rest.empty();) {
    const ssize_t sent = ::send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
}

bool HttpClient::fill() {
  std::array<char, 16'384> buffer;
  const ssize_t size = ::recv(socket_, buffer.data(), buffer.size(), 0);
  if (size <= 0) return false;
  unread_.append(buffer.data(), static_cast<std::size_t>(size));
  return true;
}

HttpAnswer HttpClient::receive() {
  HttpAnswer answer;
  while (unread_.find(kHeadEnd) == std::string::npos) {
    if (!fill()) return answer;
  }
  const std::size_t head_size = unread_.find(kHeadEnd) + kHeadEnd.size();
  answer.head = unread_.substr(0, head_size);
  const std::size_t body_size = content_length(answer.head);
  while (unread_.size() < head_size + body_size) {
    if (!fill()) return answer;
  }
  answer.body = unread_.substr(head_size, body_size);
  unread_.erase(0, head_size + body_size);
  const auto status = answer.head.find(' ') + 1;
  std::from_chars(answer.head.data() + status, answer.head.data() + status + 3, answer.status);
  return answer;
}

HttpAnswer HttpClient::request(std::string_view method, std::string_view path, std::string_view body,
                               const std::vector<std::pair<std::string_view, std::string_view>>& headers) {
  send(method, path, body, headers);
  return receive();
}

}  // namespace tidemark::ingest_http
