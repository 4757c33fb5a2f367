#include "tidemark/client/event_sender.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <mutex>

#include "tidemark/net/http_server.hpp"

namespace tidemark::client {
namespace {

/// A server that answers as it is told, and by itself with `new` for every line.
class ScriptedServer final : public net::Handler {
 public:
  ScriptedServer() : server_(options(), *this, metrics_) { EXPECT_TRUE(server_.start()); }
  ~ScriptedServer() { server_.stop(seconds(1)); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_.port()) + "/"; }
  void then(int status, std::string body, std::string retry_after = {}) {
    const std::lock_guard lock(mutex_);
    net::Response response{status, "application/json", std::move(body), {}};
    if (!retry_after.empty()) response.headers.emplace_back("Retry-After", retry_after);
    script_.push_back(std::move(response));
  }
  std::vector<std::string> bodies() {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }
  std::string authorization;

 private:
  static net::HttpServerOptions options() {
    net::HttpServerOptions options;
    options.port = 0;
    return options;
  }
  void handle(net::Exchange& exchange) override {
    const std::lock_guard lock(mutex_);
    const net::Request& request = exchange.request();
    bodies_.emplace_back(request.body);
    authorization = request.header("authorization");
    if (!script_.empty()) {
      exchange.answer(script_.front());
      script_.pop_front();
      return;
    }
    std::string verdicts;
    for (const char c : request.body) {
      if (c == '\n') verdicts += verdicts.empty() ? R"({"verdict":"new"})" : R"(,{"verdict":"new"})";
    }
    exchange.answer({200, "application/json", R"({"counts":{},"verdicts":[)" + verdicts + "]}", {}});
  }

  Metrics metrics_;
  std::mutex mutex_;
  std::deque<net::Response> script_;
  std::vector<std::string> bodies_;
  net::HttpServer server_;
};

EventSenderOptions options_for(const ScriptedServer& server) {
  EventSenderOptions options;
  options.server = server.url();
  options.batch_events = 3;
  options.give_up_after = seconds(5);
  return options;
}

TEST(EventSender, batches_are_bounded_and_every_event_is_counted) {
  ScriptedServer server;
  EventSender sender(options_for(server));
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(sender.add(R"({"id":"x"})"));
  ASSERT_TRUE(sender.finish());
  EXPECT_EQ(sender.counts().fresh, 7u);
  EXPECT_EQ(server.bodies().size(), 3u);
}

TEST(EventSender, a_batch_is_bounded_in_bytes_too) {
  ScriptedServer server;
  EventSenderOptions options = options_for(server);
  options.batch_bytes = 20;
  EventSender sender(options);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(sender.add(R"({"id":"123456"})"));
  ASSERT_TRUE(sender.finish());
  EXPECT_EQ(server.bodies().size(), 3u);
}

TEST(EventSender, an_unavailable_server_is_asked_again_with_the_same_batch) {
  ScriptedServer server;
  server.then(503, R"({"detail":"full"})");
  server.then(429, R"({"detail":"slow"})", "1");
  EventSender sender(options_for(server));
  int retries = 0;
  sender.on_retry = [&](const Error&, microseconds wait) { retries += wait > microseconds(0) ? 1 : 0; };
  ASSERT_TRUE(sender.add("{}"));
  ASSERT_TRUE(sender.finish());
  EXPECT_EQ(retries, 2);
  const auto bodies = server.bodies();
  ASSERT_EQ(bodies.size(), 3u);
  EXPECT_EQ(bodies[0], bodies[2]);
  EXPECT_EQ(sender.counts().fresh, 1u);
}

TEST(EventSender, refused_events_are_named_by_their_line) {
  ScriptedServer server;
  server.then(200, R"({"verdicts":[{"verdict":"duplicate"},{"verdict":"invalid","field":"time","detail":"bad"},)"
                   R"({"verdict":"conflict"}]})");
  EventSender sender(options_for(server));
  for (const char* line : {"{}", "", "{}\r", "{}"}) ASSERT_TRUE(sender.add(line));
  ASSERT_TRUE(sender.finish());
  EXPECT_EQ(sender.counts().duplicate, 1u);
  ASSERT_EQ(sender.refused().size(), 2u);
  EXPECT_EQ(sender.refused()[0].line, 3u);
  EXPECT_EQ(sender.refused()[0].field, "time");
  EXPECT_EQ(sender.refused()[1].verdict, "conflict");
}

TEST(EventSender, an_oversized_line_is_refused_here_and_the_rest_is_sent) {
  ScriptedServer server;
  EventSenderOptions options = options_for(server);
  options.line_bytes_max = 100;
  EventSender sender(options);
  ASSERT_TRUE(sender.add(std::string(101, 'x')));
  ASSERT_TRUE(sender.add("{}"));
  ASSERT_TRUE(sender.finish());
  EXPECT_EQ(sender.counts().invalid, 1u);
  EXPECT_EQ(sender.counts().fresh, 1u);
}

TEST(EventSender, the_server_s_own_words_come_back_as_the_error) {
  ScriptedServer server;
  server.then(415, R"({"detail":"not that type"})");
  EventSender sender(options_for(server));
  ASSERT_TRUE(sender.add("{}"));
  const auto finished = sender.finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().message(), "not that type");
}

TEST(EventSender, an_answer_of_another_form_is_an_error_and_nothing_is_counted) {
  ScriptedServer server;
  for (const char* body : {"", "hello", "[]", "{}", R"({"verdicts":[]})", R"({"verdicts":7})"}) {
    server.then(200, body);
    EventSender sender(options_for(server));
    ASSERT_TRUE(sender.add("{}"));
    EXPECT_FALSE(sender.finish()) << body;
    EXPECT_EQ(sender.counts().total(), 0u);
  }
}

TEST(EventSender, a_token_is_sent_as_a_bearer) {
  ScriptedServer server;
  EventSenderOptions options = options_for(server);
  options.token = "secret";
  EventSender sender(options);
  ASSERT_TRUE(sender.add("{}"));
  ASSERT_TRUE(sender.finish());
  EXPECT_EQ(server.authorization, "Bearer secret");
}

TEST(EventSender, nobody_at_the_address_is_told_with_the_address) {
  EventSenderOptions options;
  options.server = "http://127.0.0.1:1";
  options.give_up_after = microseconds(0);
  EventSender sender(options);
  ASSERT_TRUE(sender.add("{}"));
  const auto finished = sender.finish();
  ASSERT_FALSE(finished);
  EXPECT_NE(finished.error().message().find("127.0.0.1:1"), std::string::npos);
}

}  // namespace
}  // namespace tidemark::client
