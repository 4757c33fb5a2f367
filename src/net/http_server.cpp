#include "tidemark/net/http_server.hpp"

#include <sys/resource.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>

#include "io_thread.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/logging.hpp"

namespace tidemark::net {
namespace {

using asio::ip::tcp;
using boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<tcp, IoExecutor>;

constexpr std::size_t kMaxRefusedConnections = 64;  // Past the limit, at a time, that are told so; others just close.
constexpr std::size_t kOtherFiles = 256;            // Descriptors that the rest of the process may need.
constexpr milliseconds kAcceptPause{100};           // After an accept that failed for want of descriptors or memory.

// Raises the process' limit of open files if that many connections need it; warns if that can't be done.
void allow_open_files(std::size_t connections) {
  rlimit limit{};
  const rlim_t wanted = connections + kOtherFiles;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted) return;
  limit.rlim_cur = std::min(wanted, limit.rlim_max);
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur >= wanted) return;
  logging::warning("fewer open files allowed than connections: raise the hard limit (ulimit -Hn)",
                   {{"allowed", limit.rlim_cur}, {"wanted", wanted}});
}

std::vector<std::unique_ptr<IoThread>> make_threads(ServerState& server) {
  TIDEMARK_ASSERT(server.options.io_threads > 0);
  std::vector<std::unique_ptr<IoThread>> threads;
  for (std::size_t i = 0; i < server.options.io_threads; ++i) {
    threads.push_back(std::make_unique<IoThread>(i, server));
  }
  return threads;
}

}  // namespace

// One listening socket, accepted on thread 0, connections handed out in turn. Not one socket a thread with
// SO_REUSEPORT: that would let a second server bind the same port unnoticed, and spread kept connections by hash,
// unevenly.
struct HttpServer::Impl {
  Impl(HttpServerOptions options, Handler& handler, Metrics& metrics) : server(std::move(options), handler, metrics) {}

  Result<void> listen();
  Awaitable<> accept_connections();
  void hand_out(Socket socket, IoThread& target);

  ServerState server;
  std::vector<std::unique_ptr<IoThread>> threads = make_threads(server);
  Acceptor acceptor{threads.front()->context()};
  SteadyTimer accept_pause{threads.front()->context()};
  std::uint16_t port = 0;
  std::size_t next_thread = 0;  // Of the one that gets the next connection.
  bool started = false;
};

Result<void> HttpServer::Impl::listen() {
  const std::string& host = server.options.host;
  const std::string wanted = host + ":" + std::to_string(server.options.port);
  error_code error;
  tcp::resolver resolver(threads.front()->context());
  const auto found = resolver.resolve(host, std::to_string(server.options.port),
                                      tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return fail(Errc::kInvalidArgument, "the listen address isn't known, name an address of this machine: " + wanted);
  }
  const tcp::endpoint endpoint = *found.begin();
  const auto attempt = [&error](auto&& step) {
    if (!error) step();
  };
  attempt([&] { acceptor.open(endpoint.protocol(), error); });
  attempt([&] { acceptor.set_option(tcp::acceptor::reuse_address(true), error); });
  attempt([&] { acceptor.bind(endpoint, error); });
  attempt([&] { acceptor.listen(asio::socket_base::max_listen_connections, error); });
  attempt([&] { port = acceptor.local_endpoint(error).port(); });
  if (!error) return {};
  error_code ignored;
  acceptor.close(ignored);
  const bool in_use = error == asio::error::address_in_use;
  return fail(Errc::kUnavailable,
              (in_use ? "the listen address is in use, stop the other process or choose another port: "
                      : "can't listen (" + error.message() + "): ") +
                  wanted);
}

Awaitable<> HttpServer::Impl::accept_connections() {
  error_code error;
  while (acceptor.is_open()) {
    IoThread& target = *threads[next_thread];
    Socket socket = co_await acceptor.async_accept(target.context(), asio::redirect_error(kAwait, error));
    if (!error) {
      next_thread = (next_thread + 1) % threads.size();
      hand_out(std::move(socket), target);
      continue;
    }
    if (error == asio::error::operation_aborted) co_return;
    if (error == asio::error::connection_aborted) continue;
    logging::warning("can't accept a connection", {{"error", error.message()}});
    accept_pause.expires_after(kAcceptPause);
    co_await accept_pause.async_wait(asio::redirect_error(kAwait, error));
  }
}

void HttpServer::Impl::hand_out(Socket socket, IoThread& target) {
  if (ServerState::admit(server.connections, server.options.max_connections)) {
    target.adopt(std::move(socket), server.connections, false);
  } else if (ServerState::admit(server.refused_connections, kMaxRefusedConnections)) {
    target.adopt(std::move(socket), server.refused_connections, true);
  } else {
    server.metrics.count_refused(RefusedFor::kConnections);
  }
}

HttpServer::HttpServer(HttpServerOptions options, Handler& handler, Metrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), handler, metrics)) {}

HttpServer::~HttpServer() {
  stop(microseconds(0));
}

Result<void> HttpServer::start() {
  TIDEMARK_ASSERT(!impl_->started);
  TIDEMARK_TRY(impl_->listen());
  allow_open_files(impl_->server.options.max_connections);
  for (auto& thread : impl_->threads) thread->start();
  impl_->started = true;
  asio::co_spawn(impl_->threads.front()->context(), impl_->accept_connections(), asio::detached);
  return {};
}

std::uint16_t HttpServer::port() const noexcept {
  return impl_->port;
}

void HttpServer::post(std::size_t io_thread, std::function<void()> task) {
  TIDEMARK_ASSERT(io_thread < impl_->threads.size());
  impl_->threads[io_thread]->post(std::move(task));
}

void HttpServer::stop(microseconds deadline) {
  if (!std::exchange(impl_->started, false)) return;
  asio::post(impl_->threads.front()->context(), [impl = impl_.get()] {
    error_code ignored;
    impl->acceptor.close(ignored);
    impl->accept_pause.cancel();
  });
  for (auto& thread : impl_->threads) thread->begin_stop();
  impl_->server.wait_until_empty(std::chrono::steady_clock::now() + deadline);
  for (auto& thread : impl_->threads) thread->finish();  // Thread 0 first: after it, none is handed a connection.
  impl_->server.metrics.set_connections(0);
}

}  // namespace tidemark::net
