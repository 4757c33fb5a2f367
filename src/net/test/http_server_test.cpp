#include <gmock/gmock.h>

#include <atomic>
#include <future>
#include <nlohmann/json.hpp>
#include <thread>

#include "test/packing.hpp"
#include "test/raw_client.hpp"
#include "test/server_fixture.hpp"

namespace tidemark::net {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string get(std::string_view target, std::string_view fields = "") {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

std::string post(std::string_view target, std::string_view body, std::string_view fields = "") {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + std::string(fields) + "\r\n" + std::string(body);
}

int status_of(const std::optional<RawResponse>& response) {
  return response ? response->status : 0;
}

class HttpServerTest : public ServerTest {};

// --- Requests and answers -------------------------------------------------------------------------------------------

TEST_F(HttpServerTest, kept_connection_answers_one_request_after_another) {
  start();
  RawClient client(server_->port());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client.send(post("/echo", std::to_string(i))));
    const auto response = client.read_response();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
    EXPECT_EQ(response->body, std::to_string(i));
    EXPECT_EQ(response->header("Connection"), "");
    EXPECT_EQ(response->header("Date").size(), 29u);
  }
}

TEST_F(HttpServerTest, preformatted_answers_are_bare) {
  start();
  RawClient client(server_->port());
  client.send(get("/fast"));
  const auto object = client.read_response();
  ASSERT_TRUE(object);
  EXPECT_EQ(object->body, "{}");
  EXPECT_EQ(object->header("Content-Type"), "application/json");
  EXPECT_EQ(object->header("X-Request-Id"), "");
  client.send(get("/none"));
  const auto none = client.read_response();
  ASSERT_TRUE(none);
  EXPECT_EQ(none->status, 204);
  EXPECT_EQ(none->header("Content-Length"), "");
}

TEST_F(HttpServerTest, handler_sees_the_request_as_sent) {
  start();
  RawClient client(server_->port());
  client.send("PUT /request?q=a%20b HTTP/1.1\r\nHost: h\r\nx-test: yes\r\n\r\n");
  const auto response = client.read_response();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body, "path=/request query=q=a%20b from=127.0.0.1 method=" +
                                std::to_string(static_cast<int>(Method::kPut)) + " x=yes q=a b");
}

TEST_F(HttpServerTest, head_is_answered_without_its_body) {
  start();
  RawClient client(server_->port());
  for (const auto* target : {"/fast", "/large?bytes=70000", "/unknown"}) {
    client.send("HEAD " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n");
    const auto response = client.read_response(true);
    ASSERT_TRUE(response) << target;
    EXPECT_NE(response->header("Content-Length"), "0") << target;
  }
  client.send(get("/fast"));
  EXPECT_EQ(status_of(client.read_response()), 200);  // No body stood before it.
}

TEST_F(HttpServerTest, http_1_0_closes_unless_asked_to_keep) {
  start();
  RawClient kept(server_->port());
  for (int i = 0; i < 2; ++i) {
    kept.send("GET /fast HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const auto response = kept.read_response();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->header("Connection"), "keep-alive");
  }
  RawClient closed(server_->port());
  closed.send("GET /fast HTTP/1.0\r\n\r\n");
  const auto response = closed.read_response();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->header("Connection"), "close");
  EXPECT_TRUE(closed.closed_silently());
}

TEST_F(HttpServerTest, pipelined_requests_are_answered_in_order) {
  start();
  RawClient client(server_->port());
  std::string bytes;
  for (int i = 0; i < 500; ++i)
    bytes += post("/echo", "body " + std::to_string(i)) + get("/none") + "\r\n" + get("/fast");
  std::thread sender([&] { client.send(bytes); });
  for (int i = 0; i < 500; ++i) {
    const auto echo = client.read_response();
    ASSERT_TRUE(echo) << i;
    EXPECT_EQ(echo->body, "body " + std::to_string(i));
    EXPECT_EQ(status_of(client.read_response()), 204);
    EXPECT_EQ(status_of(client.read_response()), 200);
  }
  sender.join();
}

TEST_F(HttpServerTest, every_body_is_followed_by_zero_bytes) {
  start();
  RawClient client(server_->port());
  const std::string large(300'000, 'b');
  const std::string chunked = "POST /padding HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string next = get("/echo", "X: " + std::string(100, 'x') + "\r\n");
  const std::string requests[] = {post("/padding", "small") + next,
                                  post("/padding", large) + next,
                                  get("/padding") + next,
                                  chunked + "5\r\nhello\r\n0\r\n\r\n" + next,
                                  chunked + "0\r\n\r\n" + next,
                                  post("/padding", gzip(large), "Content-Encoding: gzip\r\n") + next,
                                  post("/padding", "small again") + next};
  for (const auto& request : requests) {
    client.send(request);
    const auto response = client.read_response();
    ASSERT_TRUE(response) << request.substr(0, 200);
    EXPECT_EQ(response->body, "zeros") << request.substr(0, 200);
    EXPECT_EQ(status_of(client.read_response()), 200);  // The next request came through unharmed.
  }
}

TEST_F(HttpServerTest, bodies_of_every_size_and_framing_arrive_whole) {
  start();
  RawClient client(server_->port());
  for (const std::size_t size : {1u, 3000u, 3950u, 4000u, 4096u, 5000u, 65'536u, 65'537u, 1'000'000u, 8u << 20}) {
    std::string body(size, '\0');
    for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>('a' + i % 23);
    client.send(post("/echo", body));
    auto response = client.read_response();
    ASSERT_TRUE(response) << size;
    EXPECT_TRUE(response->body == body) << size;

    std::string chunks = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (std::size_t at = 0; at < size; at += 50'000) {
      char count[32];
      const std::string piece = body.substr(at, 50'000);
      std::snprintf(count, sizeof count, "%zx\r\n", piece.size());
      chunks += count + piece + "\r\n";
    }
    client.send(chunks + "0\r\n\r\n");
    response = client.read_response();
    ASSERT_TRUE(response) << size;
    EXPECT_TRUE(response->body == body) << size;
  }
}

TEST_F(HttpServerTest, requests_that_trickle_in_byte_by_byte_are_understood) {
  start();
  RawClient client(server_->port());
  const std::string requests = post("/echo", "hello") +
                               "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5;x\r\nhello\r\n0\r\nT: x\r\n\r\n" +
                               post("/echo", gzip("hello"), "Content-Encoding: gzip\r\n");
  for (const char byte : requests) ASSERT_TRUE(client.send(std::string_view(&byte, 1)));
  for (int i = 0; i < 3; ++i) {
    const auto response = client.read_response();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, "hello");
  }
}

TEST_F(HttpServerTest, head_near_its_limit_leaves_room_for_chunks_behind_it) {
  options_.max_head_bytes = 16u << 10;
  start();
  RawClient client(server_->port());
  for (std::size_t padding = 3900; padding < 4200; padding += 7) {
    client.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nX: " + std::string(padding, 'x') +
                "\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    const auto response = client.read_response();
    ASSERT_TRUE(response) << padding;
    EXPECT_EQ(response->body, "hello");
  }
}

TEST_F(HttpServerTest, expectation_is_met_before_the_body_and_only_then) {
  start();
  RawClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(status_of(client.read_response()), 100);
  client.send("hello");
  EXPECT_EQ(client.read_response()->body, "hello");
  client.send(post("/echo", "hello", "Expect: 100-continue\r\n"));
  EXPECT_EQ(client.read_response()->body, "hello");  // The body was there: no need to ask for it.
  RawClient oversized(server_->port());
  oversized.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(status_of(oversized.read_response()), 413);
}

TEST_F(HttpServerTest, problems_are_rfc_9457_with_the_request_id) {
  start();
  RawClient client(server_->port());
  client.send(get("/unknown"));
  const auto response = client.read_response();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->header("Content-Type"), "application/problem+json");
  const auto body = nlohmann::json::parse(response->body);
  EXPECT_EQ(body["type"], "urn:tidemark:error:not_found");
  EXPECT_EQ(body["title"], "Not Found");
  EXPECT_EQ(body["status"], 404);
  EXPECT_EQ(body["detail"], "no such path");
  EXPECT_EQ(body["errors"][0]["index"], 3);
  EXPECT_EQ(body["errors"][0]["field"], "path");
  EXPECT_EQ(body["errors"][0]["detail"], "unknown \xEF\xBF\xBD");
  EXPECT_EQ(body["request_id"], response->header("X-Request-Id"));
  client.send(get("/unknown"));
  EXPECT_NE(client.read_response()->header("X-Request-Id"), response->header("X-Request-Id"));
}

TEST_F(HttpServerTest, header_value_cannot_begin_a_line) {
  start();
  RawClient client(server_->port());
  client.send(get("/split"));
  const auto response = client.read_response();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->header("Injected"), "");
  EXPECT_EQ(response->header("Location"), "a  Injected: yes");
}

TEST(Problem, unavailable_says_when_to_retry_and_internal_says_nothing) {
  const auto unavailable = problem(Error(Errc::kUnavailable, "backlog full"), {}, 7);
  EXPECT_EQ(unavailable.status, 503);
  EXPECT_EQ(unavailable.headers, (decltype(unavailable.headers){{"Retry-After", "7"}}));
  EXPECT_EQ(problem(Error(Errc::kRateLimited, "slow down")).headers.size(), 1u);
  EXPECT_TRUE(problem(Error(Errc::kInvalidArgument, "x")).headers.empty());
  EXPECT_THAT(problem(Error(Errc::kIo, "/secret/path")).body, Not(HasSubstr("secret")));
}

// --- Refusals -------------------------------------------------------------------------------------------------------

struct RefusedCase {
  const char* what;
  std::string bytes;
  int status;
  const char* reason;
};

TEST_F(HttpServerTest, bad_requests_are_refused_counted_and_closed) {
  options_.max_head_bytes = 1000;
  options_.max_body_bytes = 10'000;
  start();
  const std::string chunked = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string packed = "Content-Encoding: gzip\r\n";
  const RefusedCase cases[] = {
      {"garbage", "\x16\x03\x01 hello", 400, "malformed"},
      {"bare line feeds", "GET / HTTP/1.1\nHost: h\n\n", 400, "malformed"},
      {"both framings",
       "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
       "malformed"},
      {"head whole but too large", get("/fast", "X: " + std::string(1000, 'x') + "\r\n"), 431, "head_size"},
      {"head without end", "GET /" + std::string(2000, 'x'), 431, "head_size"},
      {"announced body too large", post("/echo", std::string(10'001, 'x')), 413, "body_size"},
      {"chunks too large", chunked + "2711\r\n", 413, "body_size"},
      {"bad chunk", chunked + "5\r\nhelloXX", 400, "malformed"},
      {"gzip bomb", post("/echo", gzip(std::string(1 << 20, 'x')), packed), 413, "body_size"},
      {"not gzip", post("/echo", "plain", packed), 400, "encoding"},
      {"cut gzip", post("/echo", gzip("hello").substr(0, 12), packed), 400, "encoding"},
      {"unknown encoding", post("/echo", "x", "Content-Encoding: br\r\n"), 415, "encoding"},
      {"second request on a kept connection", "GET /x HTTP/9.9\r\nHost: h\r\n\r\n", 505, "malformed"},
  };
  for (const auto& refused : cases) {
    const std::string counter = std::string("tidemark_net_refused_total{reason=\"") + refused.reason + "\"}";
    const double before = metric(counter);
    RawClient client(server_->port());
    client.send(get("/fast"));
    ASSERT_EQ(status_of(client.read_response()), 200) << refused.what;
    client.send(refused.bytes);
    const auto response = client.read_response();
    ASSERT_EQ(status_of(response), refused.status) << refused.what;
    EXPECT_EQ(response->header("Connection"), "close") << refused.what;
    EXPECT_EQ(response->header("Content-Type"), "application/problem+json") << refused.what;
    const auto body = nlohmann::json::parse(response->body);
    EXPECT_EQ(body["status"], refused.status) << refused.what;
    EXPECT_EQ(body["request_id"], response->header("X-Request-Id")) << refused.what;
    EXPECT_TRUE(client.closed_silently()) << refused.what;
    EXPECT_EQ(metric(counter), before + 1) << refused.what;
  }
}

TEST_F(HttpServerTest, oversized_body_is_refused_before_it_was_sent) {
  start();
  RawClient client(server_->port());
  client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999\r\n\r\nonly this");
  EXPECT_EQ(status_of(client.read_response()), 413);
}

TEST_F(HttpServerTest, client_that_sends_on_after_a_refusal_still_reads_it) {
  options_.max_body_bytes = 1000;
  start();
  RawClient client(server_->port());
  EXPECT_TRUE(client.send(post("/echo", std::string(4u << 20, 'x'))));
  EXPECT_EQ(status_of(client.read_response()), 413);
}

TEST_F(HttpServerTest, connections_past_the_limit_are_told_503_and_counted) {
  options_.max_connections = 3;
  start();
  std::vector<RawClient> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server_->port()).send(get("/fast"));
    ASSERT_EQ(status_of(clients.back().read_response()), 200);
  }
  EXPECT_TRUE(metric_becomes("tidemark_net_connections 3"));
  RawClient refused(server_->port());
  const auto response = refused.read_response();
  ASSERT_EQ(status_of(response), 503);
  EXPECT_EQ(response->header("Retry-After"), "1");
  EXPECT_EQ(response->header("Connection"), "close");
  refused.close();
  EXPECT_EQ(metric("tidemark_net_refused_total{reason=\"connections\"}"), 1);
  clients.pop_back();
  EXPECT_TRUE(metric_becomes("tidemark_net_connections 2"));
  RawClient admitted(server_->port());
  admitted.send(get("/fast"));
  EXPECT_EQ(status_of(admitted.read_response()), 200);
}

// --- Time -----------------------------------------------------------------------------------------------------------

TEST_F(HttpServerTest, slow_heads_and_bodies_get_408_and_idle_connections_close_silently) {
  options_.head_timeout = options_.body_timeout = options_.idle_timeout = milliseconds(100);
  start();
  auto held = hold_io_thread();
  RawClient idle(server_->port());
  RawClient idle_after_request(server_->port());
  idle_after_request.send(get("/none"));
  RawClient slow_head(server_->port());
  slow_head.send("GET / HT");
  RawClient slow_body(server_->port());
  slow_body.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
  RawClient slow_chunks(server_->port());
  slow_chunks.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
  held.reset();

  EXPECT_TRUE(idle.closed_silently());
  EXPECT_EQ(status_of(idle_after_request.read_response()), 204);
  EXPECT_TRUE(idle_after_request.closed_silently());
  for (RawClient* slow : {&slow_head, &slow_body, &slow_chunks}) {
    EXPECT_EQ(status_of(slow->read_response()), 408);
    EXPECT_TRUE(slow->closed_silently());
  }
  EXPECT_EQ(metric("tidemark_net_refused_total{reason=\"slow_head\"}"), 1);
  EXPECT_EQ(metric("tidemark_net_refused_total{reason=\"slow_body\"}"), 2);
}

TEST_F(HttpServerTest, trickling_head_does_not_renew_its_time) {
  options_.head_timeout = milliseconds(100);
  options_.max_head_bytes = 64u << 20;
  start();
  RawClient client(server_->port());
  std::atomic<bool> over{false};
  std::thread trickle([&] {
    client.send("GET / HTTP/1.1\r\n");
    while (!over && client.send("X: y\r\n")) std::this_thread::yield();
  });
  const int status = status_of(client.read_response());
  over = true;
  trickle.join();
  EXPECT_EQ(status, 408);
}

TEST_F(HttpServerTest, waiting_for_an_answer_has_no_deadline_at_the_door) {
  options_.head_timeout = options_.body_timeout = options_.idle_timeout = milliseconds(1);
  start();
  auto held = hold_io_thread();
  RawClient waiting(server_->port());
  waiting.send(get("/later"));
  held.reset();
  const auto pending = handler_.next_pending();
  ASSERT_NE(pending.exchange, nullptr);
  RawClient idle(server_->port());
  EXPECT_TRUE(idle.closed_silently());  // Sweeps have passed.
  RawClient idle_too(server_->port());
  EXPECT_TRUE(idle_too.closed_silently());
  server_->post(pending.io_thread, [pending] { pending.exchange->answer_preformatted(200, true); });
  EXPECT_EQ(status_of(waiting.read_response()), 200);
}

TEST_F(HttpServerTest, client_that_does_not_read_its_answer_is_cut_off) {
  options_.write_timeout = options_.head_timeout = milliseconds(100);
  start();
  RawClient client = RawClient::with_small_window(server_->port());
  client.send(get("/large?bytes=50000000"));
  ASSERT_TRUE(metric_becomes("tidemark_net_requests_total{status_class=\"2xx\"} 1"));
  // The number of connections is of the last sweep. One that came later ends this:
  RawClient slow_head(server_->port());
  slow_head.send("G");
  EXPECT_EQ(status_of(slow_head.read_response()), 408);
  slow_head.close();
  EXPECT_TRUE(metric_becomes("tidemark_net_connections 0"));
  EXPECT_FALSE(client.read_response());
}

TEST_F(HttpServerTest, large_answer_reaches_a_slow_reader_whole) {
  start();
  RawClient client = RawClient::with_small_window(server_->port());
  client.send(get("/large?bytes=5000000") + get("/fast"));
  const auto response = client.read_response();
  ASSERT_TRUE(response);
  EXPECT_EQ(response->body.size(), 5'000'000u);
  EXPECT_EQ(status_of(client.read_response()), 200);
}

// --- Answers given later --------------------------------------------------------------------------------------------

TEST_F(HttpServerTest, answer_comes_from_another_thread_by_post) {
  options_.io_threads = 2;
  start();
  std::vector<RawClient> clients;
  for (int i = 0; i < 8; ++i) clients.emplace_back(server_->port()).send(get("/later"));
  std::vector<TestHandler::Pending> pending;
  std::size_t on_thread[2] = {0, 0};
  for (int i = 0; i < 8; ++i) {
    pending.push_back(handler_.next_pending());
    ++on_thread[pending.back().io_thread];
  }
  EXPECT_EQ(on_thread[0], 4u);
  EXPECT_EQ(on_thread[1], 4u);
  for (const auto& one : pending) {
    server_->post(one.io_thread, [one] { one.exchange->answer_preformatted(200, true); });
  }
  for (auto& client : clients) EXPECT_EQ(status_of(client.read_response()), 200);
}

TEST_F(HttpServerTest, earlier_pipelined_answers_do_not_wait_for_a_later_one) {
  start();
  RawClient client(server_->port());
  client.send(get("/fast") + get("/later") + get("/none"));
  EXPECT_EQ(status_of(client.read_response()), 200);
  const auto pending = handler_.next_pending();
  ASSERT_NE(pending.exchange, nullptr);
  EXPECT_EQ(pending.exchange->request().path, "/later");
  Response late;
  late.status = 202;
  server_->post(pending.io_thread, [pending, late] { pending.exchange->answer(late); });
  EXPECT_EQ(status_of(client.read_response()), 202);
  EXPECT_EQ(status_of(client.read_response()), 204);
}

TEST_F(HttpServerTest, exchange_outlives_a_client_that_went_away) {
  start();
  for (const bool reset : {false, true}) {
    RawClient client(server_->port());
    client.send(get("/fast") + post("/later", "body that stays"));
    const auto pending = handler_.next_pending();
    ASSERT_NE(pending.exchange, nullptr);
    client.close(reset);
    std::promise<std::string> seen;
    server_->post(pending.io_thread, [pending, &seen] {
      std::string body(pending.exchange->request().body);
      Response large;
      large.body.assign(1u << 20, 'x');
      pending.exchange->answer(std::move(large));
      seen.set_value(std::move(body));
    });
    EXPECT_EQ(seen.get_future().get(), "body that stays");
  }
  RawClient next(server_->port());
  next.send(get("/fast"));
  EXPECT_EQ(status_of(next.read_response()), 200);
}

TEST_F(HttpServerTest, tasks_posted_together_run_in_order_and_after_stop_not_at_all) {
  start();
  std::vector<int> order;
  std::promise<void> done;
  for (int i = 0; i < 100; ++i) server_->post(0, [&order, i] { order.push_back(i); });
  server_->post(0, [&done] { done.set_value(); });
  done.get_future().get();
  ASSERT_EQ(order.size(), 100u);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  server_->stop(milliseconds(0));
  server_->post(0, [] { FAIL() << "ran after stop"; });
}

// --- Start and stop -------------------------------------------------------------------------------------------------

TEST_F(HttpServerTest, address_in_use_and_unknown_host_are_named) {
  start();
  HttpServerOptions same;
  same.port = server_->port();
  HttpServer second(same, handler_, metrics_);
  const auto in_use = second.start();
  ASSERT_FALSE(in_use.has_value());
  EXPECT_EQ(in_use.error().code(), Errc::kUnavailable);
  EXPECT_THAT(in_use.error().message(), HasSubstr("in use"));
  EXPECT_THAT(in_use.error().message(), HasSubstr(std::to_string(same.port)));
  HttpServerOptions unknown;
  unknown.host = "no.such.host.invalid";
  EXPECT_EQ(HttpServer(unknown, handler_, metrics_).start().error().code(), Errc::kInvalidArgument);
}

TEST_F(HttpServerTest, stop_closes_idle_at_once_and_lets_requests_under_way_be_answered) {
  start();
  RawClient idle(server_->port());
  idle.send(get("/none"));
  ASSERT_EQ(status_of(idle.read_response()), 204);
  RawClient waiting(server_->port());
  waiting.send(get("/later"));
  const auto pending = handler_.next_pending();
  ASSERT_NE(pending.exchange, nullptr);
  RawClient half_sent(server_->port());
  half_sent.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_EQ(status_of(half_sent.read_response()), 100);

  std::thread stopper([&] { server_->stop(seconds(120)); });
  EXPECT_TRUE(idle.closed_silently());
  half_sent.send("hello");
  auto response = half_sent.read_response();
  ASSERT_EQ(status_of(response), 200);
  EXPECT_EQ(response->header("Connection"), "close");
  server_->post(pending.io_thread, [pending] { pending.exchange->answer_preformatted(200, true); });
  response = waiting.read_response();
  ASSERT_EQ(status_of(response), 200);
  EXPECT_EQ(response->header("Connection"), "close");
  stopper.join();
}

TEST_F(HttpServerTest, stop_leaves_nothing_behind_at_its_deadline) {
  options_.io_threads = 2;
  options_.head_timeout = options_.body_timeout = options_.idle_timeout = options_.write_timeout =
      std::chrono::hours(1);
  start();
  std::vector<RawClient> clients;
  for (int i = 0; i < 4; ++i) clients.emplace_back(server_->port()).send(get("/later"));
  for (int i = 0; i < 4; ++i) ASSERT_NE(handler_.next_pending().exchange, nullptr);
  clients.emplace_back(server_->port()).send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhel");
  clients.push_back(RawClient::with_small_window(server_->port()));
  clients.back().send(get("/large?bytes=50000000"));
  ASSERT_TRUE(metric_becomes("tidemark_net_connections 6"));
  const auto begun = std::chrono::steady_clock::now();
  server_->stop(milliseconds(100));
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::minutes(1));
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(clients[i].read_response());
  server_.reset();
}

TEST_F(HttpServerTest, stop_ends_though_a_sweep_fell_due_while_the_thread_was_busy) {
  start();
  std::promise<void> busy;
  server_->post(0, [&busy] {
    busy.set_value();
    std::promise<void> never;
    never.get_future().wait_for(milliseconds(600));  // Longer than two sweeps are apart.
  });
  busy.get_future().get();
  server_->stop(milliseconds(0));  // Hung: the sweep armed the next one behind the shutdown's back.
}

TEST_F(HttpServerTest, stop_under_load_answers_whole_or_not_at_all) {
  options_.io_threads = 2;
  start();
  const auto port = server_->port();
  std::atomic<int> answered{0};
  std::atomic<bool> answering{true};
  std::vector<std::thread> clients;
  std::thread answerer([&] {
    while (answering) {
      const auto pending = handler_.next_pending();
      if (pending.exchange == nullptr || !answering) return;
      server_->post(pending.io_thread, [pending] { pending.exchange->answer_preformatted(200, true); });
    }
  });
  std::vector<RawClient> connected;
  for (int i = 0; i < 4; ++i) connected.emplace_back(port);
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, i] {
      const std::string request = i % 2 == 0 ? get("/later") : post("/echo", std::string(20'000, 'x'));
      while (connected[i].send(request)) {
        const auto response = connected[i].read_response();
        if (!response) return;
        EXPECT_EQ(response->status, 200);
        ++answered;
      }
    });
  }
  while (answered < 200) std::this_thread::yield();
  server_->stop(seconds(120));
  for (auto& client : clients) client.join();
  answering = false;
  TestHandler::Pending wake;
  handler_.add_pending(wake);
  answerer.join();
}

}  // namespace
}  // namespace tidemark::net
