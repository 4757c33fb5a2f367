#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "http_client.hpp"
#include "tidemark/arrivals/arrivals.hpp"
#include "tidemark/arrivals/codec.hpp"
#include "tidemark/base/testing/manual_clock.hpp"
#include "tidemark/base/testing/memory_file_system.hpp"
#include "tidemark/base/testing/must.hpp"
#include "tidemark/base/testing/seeded_random.hpp"
#include "tidemark/ingest_http/ingest_routes.hpp"

namespace tidemark::ingest_http {
namespace {

constexpr std::string_view kKey = "12345678-1234-5678-1234-567812345678";
constexpr std::pair<std::string_view, std::string_view> kJson = {"Content-Type", "application/json"};

std::string increment(int value) {
  return "{\"key\":\"" + std::string(kKey) + "\",\"value\":" + std::to_string(value) + "}";
}

std::string event(std::string_view id, std::string_view more = "") {
  return R"({"specversion":"1.0","source":"s","type":"t","subject":"u","id":")" + std::string(id) + "\"" +
         std::string(more) + "}";
}

/// Answers from a thread of its own, as the real one does.
class ThreadReader final : public IncrementReader {
 public:
  ~ThreadReader() override {
    for (std::thread& thread : threads_) thread.join();
  }
  Result<void> read(std::string_view, const std::array<std::byte, 16>&, Done done) override {
    const std::lock_guard lock(mutex_);
    threads_.emplace_back([done = std::move(done)] { done(IncrementTotal{42, std::nullopt}); });
    return {};
  }

 private:
  std::mutex mutex_;
  std::vector<std::thread> threads_;
};

/// The real server over real arrivals, on a disk in memory.
class HttpDoors : public ::testing::Test {
 protected:
  HttpDoors() {
    arrivals::ArrivalsOptions options;
    options.directory = "data";
    options.identity_window = std::chrono::hours(32 * 24);
    options.max_event_age = std::chrono::hours(31 * 24);
    options.max_future_skew = std::chrono::minutes(5);
    options.log_segment_bytes = 8u << 20;
    options.keyset_memory_bytes = 4u << 20;
    options.disk_reserve_bytes = 0;
    arrivals::ArrivalsReport report;
    arrivals_ = must(arrivals::Arrivals::open(files_, clock_, random_, metrics_, options, report));
    arrivals_->start([](const Error&) {});
    connect();
  }
  ~HttpDoors() override {
    server_->stop(seconds(120));
    arrivals_->stop();
  }

  void connect() {
    IngestPorts ports;
    ports.admits = [this](const arrivals::Submission& submission) { return arrivals_->admits(submission); };
    ports.submit = [this](std::span<arrivals::Submission* const> submissions) {
      return arrivals_->submit(submissions);
    };
    ports.arrival_time = [this] { return arrivals_->now(); };
    ports.post = [this](std::size_t thread, std::function<void()> task) { server_->post(thread, std::move(task)); };
    ports.readiness = [this] {
      Readiness readiness;
      if (!arrivals_->doors().open()) readiness.refusing.emplace_back(arrivals_->doors().text());
      return readiness;
    };
    ports.increments = &reader_;
    ports.clock = &clock_;
    IngestOptions options;
    options.io_threads = kIoThreads;
    options.fingerprint_key = arrivals_->fingerprint_key();
    options.max_future_skew = std::chrono::minutes(5);
    routes_.emplace(std::move(ports), options, metrics_);
    net::HttpServerOptions server;
    server.port = 0;
    server.io_threads = kIoThreads;
    server_.emplace(server, *routes_, metrics_);
    must(server_->start());
  }

  HttpAnswer post_events(std::string_view body, std::string_view query = "") {
    HttpClient client(server_->port());
    return client.request("POST", "/api/v1/events" + std::string(query), body, {kJson});
  }
  std::vector<std::string> verdicts(std::string_view body) {
    const HttpAnswer answer = post_events(body, "?verdicts=true");
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::vector<std::string> names;
    const auto parsed = nlohmann::json::parse(answer.body);
    for (const auto& verdict : parsed["verdicts"]) names.push_back(verdict["verdict"]);
    return names;
  }

  /// What is on disk: the events' ids in order, and the sum of the increments.
  struct Stored {
    std::vector<std::string> ids;
    std::int64_t increments = 0;
  };
  Stored stored() {
    Stored found;
    auto reader = arrivals_->log().reader();
    must(reader->seek(0));
    log::Page page;
    do {
      page.clear();
      must(reader->read({}, page));
      for (const log::Record& record : page.records) {
        arrivals::RecordReader items(record.kind, record.payload);
        arrivals::Event event;
        arrivals::Increment increment;
        while (record.kind == log::RecordKind::kEvents && items.next(event)) found.ids.emplace_back(event.id);
        while (record.kind == log::RecordKind::kIncrements && items.next(increment)) {
          found.increments += increment.value;
        }
      }
    } while (!page.at_end);
    return found;
  }

  static constexpr std::size_t kIoThreads = 2;
  MemoryFileSystem files_;
  ManualClock clock_;
  SeededRandom random_{1};
  Metrics metrics_;
  ThreadReader reader_;
  std::unique_ptr<arrivals::Arrivals> arrivals_;
  std::optional<IngestRoutes> routes_;
  std::optional<net::HttpServer> server_;
};

TEST_F(HttpDoors, an_increment_that_was_acknowledged_is_in_the_log) {
  HttpClient client(server_->port());
  const HttpAnswer answer = client.request("POST", "/increment", increment(5));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "{}");
  EXPECT_EQ(client.request("POST", "/increment", increment(7)).status, 200);
  EXPECT_EQ(client.request("POST", "/increment", increment(0)).status, 400);
  EXPECT_EQ(client.request("POST", "/increment", increment(1) + "x").status, 400);
  EXPECT_EQ(stored().increments, 12);
}

TEST_F(HttpDoors, an_idempotency_key_counts_once) {
  HttpClient client(server_->port());
  const std::vector<std::pair<std::string_view, std::string_view>> key = {{"Idempotency-Key", "k1"}};
  EXPECT_EQ(client.request("POST", "/increment", increment(5), key).status, 200);
  EXPECT_EQ(client.request("POST", "/increment", increment(5), key).status, 200);
  EXPECT_EQ(client.request("POST", "/increment", increment(6), key).status, 409);
  EXPECT_EQ(stored().increments, 5);
}

TEST_F(HttpDoors, a_total_is_read_on_another_thread) {
  HttpClient client(server_->port());
  const HttpAnswer answer = client.request("GET", "/increment/" + std::string(kKey));
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(nlohmann::json::parse(answer.body)["value"], 42);
}

TEST_F(HttpDoors, the_same_identity_twice_in_one_batch) {
  EXPECT_EQ(
      verdicts("[" + event("1") + "," + event("1") + "," + event("1", R"(,"data":{"a":1})") + "," + event("2") + "]"),
      (std::vector<std::string>{"new", "duplicate", "conflict", "new"}));
  EXPECT_EQ(stored().ids, (std::vector<std::string>{"1", "2"}));
}

TEST_F(HttpDoors, a_repeated_batch_is_all_duplicates) {
  std::string body = "[" + event("0", R"(,"traceparent":"a","data":{"x":1,"y":[2]})");
  for (int i = 1; i < 100; ++i) body += "," + event(std::to_string(i));
  EXPECT_EQ(post_events(body + "]").status, 204);
  EXPECT_EQ(post_events(body + "]").status, 204);
  EXPECT_EQ(verdicts(body + "]"), std::vector<std::string>(100, "duplicate"));
  EXPECT_EQ(verdicts(event("0", R"(,"data":{"y":[2],"x":1},"traceparent":"b")")),
            std::vector<std::string>{"duplicate"});
  EXPECT_EQ(stored().ids.size(), 100u);
}

TEST_F(HttpDoors, verdicts_come_in_request_order_and_the_valid_events_are_stored) {
  EXPECT_EQ(post_events(event("old")).status, 204);
  const std::string late = R"(,"time":"2020-01-01T00:00:00Z")";
  EXPECT_EQ(verdicts("[7," + event("a") + "," + event("old") + "," + event("l", late) + "," +
                     event("old", R"(,"data":{})") + "," + event("") + "," + event("b") + "]"),
            (std::vector<std::string>{"invalid", "new", "duplicate", "too_late", "conflict", "invalid", "new"}));
  EXPECT_EQ(stored().ids, (std::vector<std::string>{"old", "a", "b"}));
}

TEST_F(HttpDoors, the_plain_form_stores_all_or_nothing) {
  EXPECT_EQ(post_events(event("old")).status, 204);
  const std::string late = R"(,"time":"2020-01-01T00:00:00Z")";
  for (const std::string& bad : {event("old", R"(,"data":{})"), event("late", late), event(""), std::string("{}")}) {
    const HttpAnswer answer = post_events("[" + event("a") + "," + bad + "]");
    EXPECT_EQ(answer.status, 400) << bad;
    const auto problem = nlohmann::json::parse(answer.body);
    ASSERT_EQ(problem["errors"].size(), 1u) << bad;
    EXPECT_EQ(problem["errors"][0]["index"], 1) << bad;
  }
  EXPECT_EQ(stored().ids, (std::vector<std::string>{"old"}));
  EXPECT_EQ(verdicts(event("a")), std::vector<std::string>{"new"}) << "a refused batch must leave no claims behind";
}

TEST_F(HttpDoors, a_retry_is_a_duplicate_even_when_it_became_too_old) {
  const std::string timed = event("1", R"(,"time":"2024-04-15T00:00:00Z")");
  EXPECT_EQ(verdicts(timed), std::vector<std::string>{"new"});
  clock_.advance(std::chrono::hours(20 * 24));
  EXPECT_EQ(verdicts(timed), std::vector<std::string>{"duplicate"});
  EXPECT_EQ(verdicts(event("2", R"(,"time":"2024-04-15T00:00:00Z")")), std::vector<std::string>{"too_late"});
}

TEST_F(HttpDoors, binary_mode_and_lines_reach_the_log) {
  HttpClient client(server_->port());
  EXPECT_EQ(client
                .request("POST", "/api/v1/events", R"({"a":1})",
                         {kJson,
                          {"ce-specversion", "1.0"},
                          {"ce-id", "b%31"},
                          {"ce-source", "s"},
                          {"ce-type", "t"},
                          {"ce-subject", "u"}})
                .status,
            204);
  EXPECT_EQ(client
                .request("POST", "/api/v1/events", event("l1") + "\n\n" + event("l2") + "\r\n",
                         {{"Content-Type", "application/x-ndjson"}})
                .status,
            204);
  EXPECT_EQ(stored().ids, (std::vector<std::string>{"b1", "l1", "l2"}));
}

TEST_F(HttpDoors, closed_doors_answer_503_and_are_not_ready) {
  HttpClient client(server_->port());
  EXPECT_EQ(client.request("GET", "/readyz").status, 200);
  arrivals_->stop();
  const HttpAnswer answer = client.request("POST", "/increment", increment(1));
  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(answer.head.find("Retry-After: "), std::string::npos);
  EXPECT_EQ(client.request("GET", "/readyz").status, 503);
  EXPECT_EQ(client.request("GET", "/healthz").status, 200);
}

TEST_F(HttpDoors, a_failed_sync_answers_503_to_all_who_wait) {
  files_.inject({.operation = FileOperation::kSync, .repeats = true});
  HttpClient client(server_->port());
  EXPECT_EQ(client.request("POST", "/increment", increment(1)).status, 503);
  EXPECT_EQ(post_events(event("1")).status, 503);
}

TEST_F(HttpDoors, many_connections_at_once_are_counted_exactly) {
  constexpr int kClients = 8;
  constexpr int kRequests = 60;
  std::atomic<int> succeeded{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([this, c, &succeeded] {
      HttpClient client(server_->port());
      for (int i = 0; i < kRequests; ++i) {
        const std::string body = "[" + event(std::to_string(c) + "-" + std::to_string(i)) + "," + event("shared") + "]";
        succeeded += client.request("POST", "/increment", increment(1)).status == 200 ? 1 : 0;
        succeeded += client.request("POST", "/api/v1/events", body, {kJson}).status == 204 ? 1 : 0;
        succeeded += client.request("GET", "/increment/" + std::string(kKey)).status == 200 ? 1 : 0;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(succeeded, 3 * kClients * kRequests);
  const Stored found = stored();
  EXPECT_EQ(found.increments, kClients * kRequests);
  std::map<std::string, int> ids;
  for (const std::string& id : found.ids) ++ids[id];
  EXPECT_EQ(ids.size(), static_cast<std::size_t>(kClients * kRequests + 1));
  for (const auto& [id, count] : ids) EXPECT_EQ(count, 1) << id;
}

TEST_F(HttpDoors, a_client_that_leaves_before_its_answer_harms_nobody) {
  for (int i = 0; i < 50; ++i) {
    HttpClient client(server_->port());
    client.send("POST", "/increment", increment(1));
  }
  HttpClient client(server_->port());
  EXPECT_EQ(client.request("POST", "/increment", increment(1)).status, 200);
  EXPECT_LE(stored().increments, 51);
}

TEST_F(HttpDoors, stopping_under_load_leaves_no_acknowledged_increment_out) {
  std::atomic<bool> stop{false};
  std::atomic<int> acknowledged{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([this, &stop, &acknowledged] {
      HttpClient client(server_->port());
      while (!stop && client.request("POST", "/increment", increment(1)).status == 200) ++acknowledged;
    });
  }
  while (acknowledged < 100) std::this_thread::yield();
  server_->stop(seconds(120));
  stop = true;
  for (std::thread& client : clients) client.join();
  arrivals_->stop();
  EXPECT_GE(stored().increments, acknowledged);
}

}  // namespace
}  // namespace tidemark::ingest_http
