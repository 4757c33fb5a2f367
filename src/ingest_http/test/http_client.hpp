#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tidemark::ingest_http {

struct HttpAnswer {
  int status = 0;  ///< 0 when the connection ended before a whole answer.
  std::string head;
  std::string body;
};

/// One kept connection to a server on this machine; blocks, for 20 s at most.
class HttpClient {
 public:
  explicit HttpClient(std::uint16_t port);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  HttpAnswer request(std::string_view method, std::string_view path, std::string_view body = {},
                     const std::vector<std::pair<std::string_view, std::string_view>>& headers = {});
  /// Sends without waiting for the answer.
  void send(std::string_view method, std::string_view path, std::string_view body,
            const std::vector<std::pair<std::string_view, std::string_view>>& headers = {});
  HttpAnswer receive();

 private:
  bool fill();

  int socket_ = -1;
  std::string unread_;
};

}  // namespace tidemark::ingest_http
