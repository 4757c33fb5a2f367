#include "tidemark/ingest_http/ingest_routes.hpp"

#include <deque>
#include <string>

#include "ingest_metrics.hpp"
#include "lane.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/json_text.hpp"

namespace tidemark::ingest_http {
namespace {

using net::Method;

constexpr std::string_view kIncrementPath = "/increment";
constexpr std::string_view kIncrementPrefix = "/increment/";
constexpr std::string_view kEventsPath = "/api/v1/events";

bool reads(Method method) noexcept {
  return method == Method::kGet || method == Method::kHead;
}

net::Response json_answer(std::string body) {
  net::Response response;
  response.content_type = "application/json";
  response.body = std::move(body);
  return response;
}

std::string joined(const std::vector<std::string>& sentences) {
  std::string out;
  for (const std::string& sentence : sentences) {
    if (!out.empty()) out += "; ";
    out += sentence;
  }
  return out;
}

net::Response readiness_answer(const Readiness& readiness) {
  if (!readiness.refusing.empty()) {
    return net::problem(Error(Errc::kUnavailable, "not ready: " + joined(readiness.refusing)));
  }
  std::string body = R"({"status":"ready","degraded":[)";
  for (std::size_t i = 0; i < readiness.degraded.size(); ++i) {
    if (i > 0) body += ',';
    append_json_string(body, readiness.degraded[i]);
  }
  return json_answer(body + "]}");
}

}  // namespace

Result<std::string_view> default_tenant(const net::Request&) {
  return std::string_view("default");
}

struct IngestRoutes::Impl {
  Impl(IngestPorts given_ports, const IngestOptions& options, Metrics& registry)
      : ports(std::move(given_ports)), next(options.next), exposition(registry), metrics(registry) {
    for (std::size_t thread = 0; thread < options.io_threads; ++thread) {
      lanes.emplace_back(thread, ports, options, metrics);
    }
  }

  Lane& lane_of(net::Exchange& exchange) {
    TIDEMARK_ASSERT(exchange.io_thread() < lanes.size());
    return lanes[exchange.io_thread()];
  }
  void refuse_method(net::Exchange& exchange, std::string_view allowed);
  void handle_operations(net::Exchange& exchange);

  const IngestPorts ports;
  net::Handler* const next;
  Metrics& exposition;
  IngestMetrics metrics;
  std::deque<Lane> lanes;  ///< One for each io thread; a deque because they can't be moved.
};

IngestRoutes::IngestRoutes(IngestPorts ports, IngestOptions options, Metrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(ports), options, metrics)) {}

IngestRoutes::~IngestRoutes() = default;

void IngestRoutes::handle(net::Exchange& exchange) {
  const net::Request& request = exchange.request();
  const std::string_view path = request.path;
  if (path == kIncrementPath) {
    if (request.method != Method::kPost) return impl_->refuse_method(exchange, "POST");
    return impl_->lane_of(exchange).post_increment(exchange);
  }
  if (path == kEventsPath) {
    if (request.method != Method::kPost) return impl_->refuse_method(exchange, "POST");
    return impl_->lane_of(exchange).post_events(exchange);
  }
  if (path.starts_with(kIncrementPrefix)) {
    if (!reads(request.method)) return impl_->refuse_method(exchange, "GET, HEAD");
    return impl_->lane_of(exchange).get_increment(exchange, path.substr(kIncrementPrefix.size()));
  }
  impl_->handle_operations(exchange);
}

void IngestRoutes::Impl::handle_operations(net::Exchange& exchange) {
  const net::Request& request = exchange.request();
  const bool known = request.path == "/healthz" || request.path == "/readyz" || request.path == "/metrics";
  if (!known) {
    if (next != nullptr) return next->handle(exchange);
    return lane_of(exchange).refuse(exchange, Error(Errc::kNotFound, "there is nothing under this path"));
  }
  if (!reads(request.method)) return refuse_method(exchange, "GET, HEAD");
  if (request.path == "/healthz") return exchange.answer(json_answer(R"({"status":"alive"})"));
  if (request.path == "/readyz") return exchange.answer(readiness_answer(ports.readiness()));
  net::Response response;
  response.content_type = "text/plain; version=0.0.4";
  response.body = exposition.exposition();
  exchange.answer(std::move(response));
}

void IngestRoutes::Impl::refuse_method(net::Exchange& exchange, std::string_view allowed) {
  metrics.count_wrong_method();
  net::Response response = net::problem(
      405, "method_not_allowed", "this path doesn't take the request's method; it takes " + std::string(allowed));
  response.headers.emplace_back("Allow", allowed);
  exchange.answer(std::move(response));
}

}  // namespace tidemark::ingest_http
