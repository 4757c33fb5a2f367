#include "tidemark/client/event_sender.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <algorithm>
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
  options.give_up_after = seconds(120);
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
  std::vector<microseconds> waits;
  sender.on_retry = [&waits](const Error&, microseconds wait) { waits.push_back(wait); };
  ASSERT_TRUE(sender.add("{}"));
  ASSERT_TRUE(sender.finish());
  ASSERT_EQ(waits.size(), 2u);
  EXPECT_GE(waits[0], milliseconds(100));
  EXPECT_EQ(waits[1], seconds(1));  // As the server asked.
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
  for (const char* body : {"", "hello", "[]", "{}", R"({"verdicts":[]})", R"({"verdicts":7})", R"({"verdicts":[7]})",
                           R"({"verdicts":[{"verdict":1}]})", R"({"verdicts":[{"verdict":"perhaps"}]})"}) {
    server.then(200, body);
    EventSender sender(options_for(server));
    ASSERT_TRUE(sender.add("{}"));
    EXPECT_FALSE(sender.finish()) << body;
    EXPECT_EQ(sender.counts().total(), 0u);
  }
}

TEST(EventSender, fields_of_other_types_in_a_verdict_are_left_out) {
  ScriptedServer server;
  server.then(200, R"({"verdicts":[{"verdict":"invalid","field":7,"detail":null}]})");
  EventSender sender(options_for(server));
  ASSERT_TRUE(sender.add("{}"));
  ASSERT_TRUE(sender.finish());
  ASSERT_EQ(sender.refused().size(), 1u);
  EXPECT_EQ(sender.refused()[0].field, "");
}

TEST(EventSender, a_wait_longer_than_the_patience_is_not_begun) {
  ScriptedServer server;
  server.then(503, R"({"detail":"come back tomorrow"})", "99999999999");
  EventSender sender(options_for(server));
  ASSERT_TRUE(sender.add("{}"));
  const auto finished = sender.finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code(), Errc::kUnavailable);
  EXPECT_EQ(finished.error().message(), "come back tomorrow");
}

TEST(EventSender, an_error_ends_the_sending_and_stays_the_answer) {
  ScriptedServer server;
  server.then(500, R"({"detail":"broken"})");
  EventSender sender(options_for(server));
  ASSERT_TRUE(sender.add("{}"));
  EXPECT_FALSE(sender.finish());
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(sender.add("{}"));
  EXPECT_EQ(sender.finish().error().message(), "broken");
  EXPECT_EQ(server.bodies().size(), 1u);
}

TEST(EventSender, a_token_that_would_end_its_header_is_not_sent) {
  ScriptedServer server;
  EventSenderOptions options = options_for(server);
  options.token = "secret\r\nX-Other: y";
  EventSender sender(options);
  ASSERT_TRUE(sender.add("{}"));
  const auto finished = sender.finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code(), Errc::kInvalidArgument);
  EXPECT_EQ(finished.error().message().find("secret"), std::string::npos);
  EXPECT_TRUE(server.bodies().empty());
}

// Brings `input` in pieces of `step` bytes.
ReadBytes pieces(std::string_view input, std::size_t step) {
  return [input, step](std::span<char> room) mutable -> Result<std::size_t> {
    const std::size_t count = input.copy(room.data(), std::min(step, room.size()));
    input.remove_prefix(count);
    return count;
  };
}

TEST(EventSender, lines_are_the_same_however_their_bytes_come) {
  const std::string input = "{\"n\":1}\n\n" + std::string(200, 'x') + "\r\n{\"n\":2}\r\n" + std::string(100, ' ') +
                            "\n{\"n\":\"" + std::string(92, 'y') + "\"}\r\n{\"n\":3}";
  for (const std::size_t step : {1u, 2u, 7u, 64u, 101u, 102u, 5000u}) {
    ScriptedServer server;
    EventSenderOptions options = options_for(server);
    options.line_bytes_max = 100;
    options.batch_events = 10;
    EventSender sender(options);
    ASSERT_TRUE(sender.send_all(pieces(input, step))) << step;
    ASSERT_EQ(server.bodies().size(), 1u);
    EXPECT_EQ(server.bodies()[0], "{\"n\":1}\n{\"n\":2}\n{\"n\":\"" + std::string(92, 'y') + "\"}\n{\"n\":3}\n")
        << step;
    EXPECT_EQ(sender.counts().fresh, 4u);
    ASSERT_EQ(sender.refused().size(), 1u) << step;
    EXPECT_EQ(sender.refused()[0].line, 3u);
  }
}

TEST(EventSender, an_endless_line_takes_no_memory) {
  ScriptedServer server;
  EventSender sender(options_for(server));
  std::size_t left = 1u << 30;
  const auto endless = [&left](std::span<char> room) -> Result<std::size_t> {
    const std::size_t count = std::min(left, room.size());
    left -= count;
    return count;  // As the room was: zeros, not a newline among them.
  };
  rusage before{};
  getrusage(RUSAGE_SELF, &before);
  ASSERT_TRUE(sender.send_all(endless));
  rusage after{};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_EQ(sender.counts().invalid, 1u);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 << 10);  // KiB
}

TEST(EventSender, an_error_of_the_input_comes_back) {
  ScriptedServer server;
  EventSender sender(options_for(server));
  const auto broken = [](std::span<char>) -> Result<std::size_t> { return fail(Errc::kIo, "unreadable"); };
  EXPECT_EQ(sender.send_all(broken).error().message(), "unreadable");
  EXPECT_TRUE(server.bodies().empty());
}

TEST(EventSender, a_newline_within_an_event_is_refused) {
  ScriptedServer server;
  EventSender sender(options_for(server));
  ASSERT_TRUE(sender.add("{}\n{}"));
  ASSERT_TRUE(sender.finish());
  EXPECT_EQ(sender.counts().invalid, 1u);
  EXPECT_TRUE(server.bodies().empty());
}

TEST(EventSender, progress_is_told_after_each_batch) {
  ScriptedServer server;
  EventSender sender(options_for(server));
  std::vector<std::uint64_t> totals;
  sender.on_progress = [&totals](const VerdictCounts& counts) { totals.push_back(counts.total()); };
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(sender.add("{}"));
  ASSERT_TRUE(sender.finish());
  EXPECT_EQ(totals, (std::vector<std::uint64_t>{3, 6, 7}));
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

TEST(EventSender, a_server_of_this_machine_is_reached_past_the_proxy_of_the_environment) {
  ScriptedServer server;
  ::setenv("http_proxy", "http://127.0.0.1:1", 1);
  EventSenderOptions options = options_for(server);
  options.give_up_after = microseconds(0);
  EventSender sender(options);
  ASSERT_TRUE(sender.add("{}"));
  const auto finished = sender.finish();
  ::unsetenv("http_proxy");
  EXPECT_TRUE(finished) << finished.error().message();
  EXPECT_EQ(sender.counts().fresh, 1u);
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
