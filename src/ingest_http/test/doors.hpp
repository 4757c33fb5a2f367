#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tidemark/base/testing/manual_clock.hpp"
#include "tidemark/ingest_http/ingest_routes.hpp"

namespace tidemark::ingest_http {

/// An exchange without a network: keeps the one answer.
class FakeExchange final : public net::Exchange {
 public:
  FakeExchange(net::Method method, std::string path, std::string body = {}) : path_(std::move(path)) {
    const auto question_mark = path_.find('?');
    request_.method = method;
    request_.path = std::string_view(path_).substr(0, question_mark);
    if (question_mark != std::string::npos) request_.query = std::string_view(path_).substr(question_mark + 1);
    body_size_ = body.size();
    body_ = std::move(body);
    body_.resize(body_size_ + net::kBodyPadding);
    request_.body = std::string_view(body_).substr(0, body_size_);
  }

  FakeExchange& with_header(std::string_view name, std::string_view value) {
    request_.headers.emplace_back(name, value);
    return *this;
  }
  FakeExchange& on_thread(std::size_t io_thread) {
    io_thread_ = io_thread;
    return *this;
  }

  const net::Request& request() const noexcept override { return request_; }
  void answer(net::Response response) override {
    EXPECT_FALSE(answer_.has_value()) << "answered twice";
    answer_ = std::move(response);
  }
  void answer_preformatted(int status, bool json_object) override {
    net::Response response;
    response.status = status;
    if (json_object) response.body = "{}";
    answer(std::move(response));
  }
  std::size_t io_thread() const noexcept override { return io_thread_; }
  std::string_view request_id() const noexcept override { return "test"; }

  bool answered() const { return answer_.has_value(); }
  int status() const { return answer_ ? answer_->status : 0; }
  std::string body() const { return answer_ ? answer_->body : ""; }
  std::string_view content_type() const { return answer_ ? answer_->content_type : ""; }
  nlohmann::json json() const { return nlohmann::json::parse(body()); }
  std::string header(std::string_view name) const {
    if (!answer_) return "";
    for (const auto& [known, value] : answer_->headers) {
      if (known == name) return value;
    }
    return "";
  }

 private:
  std::string path_;
  std::string body_;
  std::size_t body_size_ = 0;
  std::size_t io_thread_ = 0;
  net::Request request_;
  std::optional<net::Response> answer_;
};

class FakeReader final : public IncrementReader {
 public:
  Result<void> read(std::string_view tenant, const std::array<std::byte, 16>& key, Done done) override {
    if (full) return fail(Errc::kUnavailable, "too many look-ups are waiting");
    tenants.emplace_back(tenant);
    keys.push_back(key);
    waiting.push_back(std::move(done));
    return {};
  }

  bool full = false;
  std::vector<std::string> tenants;
  std::vector<std::array<std::byte, 16>> keys;
  std::deque<Done> waiting;
};

/// The routes between fakes: what is submitted waits until the test decides.
class DoorsTest : public ::testing::Test {
 protected:
  DoorsTest() {
    IngestPorts ports;
    ports.admits = [this](const arrivals::Submission&) -> Result<void> {
      if (admits_error_) return fail(*admits_error_);
      return {};
    };
    ports.submit = [this](std::span<arrivals::Submission* const> submissions) -> Result<void> {
      groups_.push_back(submissions.size());
      if (submit_error_) return fail(*submit_error_);
      submitted_.insert(submitted_.end(), submissions.begin(), submissions.end());
      return {};
    };
    ports.arrival_time = [this] { return clock_.now(); };
    ports.post = [this](std::size_t io_thread, std::function<void()> task) {
      posted_to_.push_back(io_thread);
      tasks_.push_back(std::move(task));
    };
    ports.tenant = [this](const net::Request&) -> Result<std::string_view> {
      if (tenant_error_) return fail(*tenant_error_);
      return std::string_view(tenant_);
    };
    ports.readiness = [this] { return readiness_; };
    ports.increments = &reader_;
    ports.clock = &clock_;
    IngestOptions options;
    options.io_threads = 2;
    options.max_future_skew = std::chrono::minutes(5);
    options.limits.events = 5'000;
    routes_.emplace(std::move(ports), options, metrics_);
  }

  FakeExchange& request(net::Method method, std::string path, std::string body = {}) {
    return exchanges_.emplace_back(method, std::move(path), std::move(body));
  }
  FakeExchange& post_events(std::string body, std::string_view content_type = "application/json",
                            std::string_view query = "") {
    FakeExchange& exchange = request(net::Method::kPost, "/api/v1/events" + std::string(query), std::move(body));
    if (!content_type.empty()) exchange.with_header("Content-Type", content_type);
    return exchange;
  }
  /// A round of the io thread in which this is the only request.
  FakeExchange& handled(FakeExchange& exchange) {
    routes_->handle(exchange);
    run_tasks();
    return exchange;
  }

  /// Gives the oldest waiting submission its verdicts and brings it back.
  void decide(std::vector<arrivals::Verdict> verdicts) {
    ASSERT_FALSE(submitted_.empty());
    arrivals::Submission* submission = submitted_.front();
    submitted_.pop_front();
    ASSERT_EQ(submission->items.size(), verdicts.size());
    submission->verdicts = std::move(verdicts);
    submission->sink->completed(std::span(&submission, 1));
    run_tasks();
  }
  void run_tasks() {
    while (!tasks_.empty()) {
      const auto task = std::move(tasks_.front());
      tasks_.pop_front();
      task();
    }
  }
  bool exposes(const std::string& line) { return metrics_.exposition().find(line + "\n") != std::string::npos; }

  ManualClock clock_;
  Metrics metrics_;
  FakeReader reader_;
  Readiness readiness_;
  std::string tenant_ = "default";
  std::optional<Error> admits_error_;
  std::optional<Error> submit_error_;
  std::optional<Error> tenant_error_;
  std::deque<arrivals::Submission*> submitted_;
  std::vector<std::size_t> groups_;  ///< How many were submitted together, each time.
  std::deque<std::function<void()>> tasks_;
  std::vector<std::size_t> posted_to_;
  std::deque<FakeExchange> exchanges_;
  std::optional<IngestRoutes> routes_;
};

}  // namespace tidemark::ingest_http
