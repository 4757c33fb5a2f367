#include "test/server_fixture.hpp"

#include <algorithm>
#include <charconv>
#include <future>
#include <thread>

namespace tidemark::net {
namespace {

constexpr std::chrono::seconds kPatience{120};

Response text(std::string body) {
  Response response;
  response.content_type = "text/plain";
  response.body = std::move(body);
  return response;
}

std::string describe(const Request& request) {
  std::string value;
  std::string out = "path=" + std::string(request.path) + " query=" + std::string(request.query);
  out += " from=" + std::string(request.remote_address) + " method=" + std::to_string(static_cast<int>(request.method));
  out += " x=" + std::string(request.header("X-Test"));
  out += request.query_parameter("q", value) ? " q=" + value : " q absent";
  return out;
}

}  // namespace

void TestHandler::handle(Exchange& exchange) {
  const Request& request = exchange.request();
  if (request.path == "/fast") {
    exchange.answer_preformatted(200, true);
  } else if (request.path == "/none") {
    exchange.answer_preformatted(204, false);
  } else if (request.path == "/echo") {
    exchange.answer(text(std::string(request.body)));
  } else if (request.path == "/large") {
    std::string bytes;
    request.query_parameter("bytes", bytes);
    std::size_t size = 0;
    std::from_chars(bytes.data(), bytes.data() + bytes.size(), size);
    exchange.answer(text(std::string(size, 'x')));
  } else if (request.path == "/later") {
    add_pending({&exchange, exchange.io_thread()});
  } else if (request.path == "/padding") {
    const char* end = request.body.data() + request.body.size();
    exchange.answer(text(std::all_of(end, end + kBodyPadding, [](char c) { return c == 0; }) ? "zeros" : "rubbish"));
  } else if (request.path == "/request") {
    exchange.answer(text(describe(request)));
  } else if (request.path == "/split") {
    Response response = text("x");
    response.headers.emplace_back("Location", "a\r\nInjected: yes");
    exchange.answer(std::move(response));
  } else {
    const ProblemField field{3, "path", "unknown \xff"};
    exchange.answer(problem(Error(Errc::kNotFound, "no such path"), std::span(&field, 1)));
  }
}

void TestHandler::add_pending(Pending pending) {
  const std::lock_guard lock(mutex_);
  pending_.push_back(pending);
  arrived_.notify_all();
}

TestHandler::Pending TestHandler::next_pending() {
  std::unique_lock lock(mutex_);
  if (!arrived_.wait_for(lock, kPatience, [this] { return !pending_.empty(); })) return {};
  const Pending next = pending_.front();
  pending_.pop_front();
  return next;
}

void ServerTest::start() {
  options_.port = 0;
  server_ = std::make_unique<HttpServer>(options_, handler_, metrics_);
  const auto started = server_->start();
  ASSERT_TRUE(started.has_value()) << started.error().message();
}

std::shared_ptr<void> ServerTest::hold_io_thread() {
  auto released = std::make_shared<std::promise<void>>();
  server_->post(0, [done = std::make_shared<std::future<void>>(released->get_future())] { done->wait(); });
  return std::shared_ptr<void>(released.get(), [released](void*) { released->set_value(); });
}

bool ServerTest::metric_becomes(const std::string& line) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (metrics_.exposition().find(line + "\n") != std::string::npos) return true;
    std::this_thread::yield();
  }
  return false;
}

double ServerTest::metric(const std::string& name) {
  const std::string exposition = metrics_.exposition();
  const auto at = exposition.find("\n" + name + " ");
  return at == std::string::npos ? 0 : std::stod(exposition.substr(at + name.size() + 2));
}

}  // namespace tidemark::net
