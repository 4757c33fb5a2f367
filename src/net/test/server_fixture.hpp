#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "tidemark/net/http_server.hpp"

namespace tidemark::net {

/// Answers by path: `/echo` the body, `/fast` preformatted `{}`, `/none` 204, `/large` a body of the size in the query
/// parameter `bytes`, `/later` only when the test says so, `/request` what was asked, `/padding` whether kBodyPadding
/// zero bytes follow the body, `/split` a header value with a line end; others a problem.
class TestHandler final : public Handler {
 public:
  struct Pending {
    Exchange* exchange = nullptr;
    std::size_t io_thread = 0;
  };

  void handle(Exchange& exchange) override;
  /// Waits for the next request to `/later`.
  Pending next_pending();
  void add_pending(Pending pending);

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Pending> pending_;
};

class ServerTest : public ::testing::Test {
 protected:
  /// Starts the server with options_, on a free port.
  void start();
  /// Keeps the first I/O thread from serving anybody until what is answered is gone: what clients do meanwhile comes
  /// before any of the server's short time-outs begins.
  std::shared_ptr<void> hold_io_thread();
  /// Waits until the metric's line stands in the exposition; false after a long while.
  bool metric_becomes(const std::string& line);
  double metric(const std::string& name);

  HttpServerOptions options_;
  TestHandler handler_;
  Metrics metrics_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace tidemark::net
