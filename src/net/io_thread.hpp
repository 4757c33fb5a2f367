#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "gzip.hpp"
#include "net_metrics.hpp"
#include "response.hpp"
#include "tidemark/net/http_server.hpp"

namespace tidemark::net {

namespace asio = boost::asio;

// Everything runs on the concrete executor of an io_context: with any_io_executor a request costs a third more CPU.
using IoExecutor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, IoExecutor>;
using SteadyTimer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, IoExecutor>;
template <class T = void>
using Awaitable = asio::awaitable<T, IoExecutor>;
inline constexpr asio::use_awaitable_t<IoExecutor> kAwait;

/// How often deadlines are looked at. One timer a thread instead of one an operation: a deadline is kept to within two
/// of these.
inline constexpr milliseconds kSweepInterval{250};

/// What the io threads of one server share.
struct ServerState {
  ServerState(HttpServerOptions o, Handler& h, Metrics& m) : options(std::move(o)), handler(h), metrics(m) {}

  HttpServerOptions options;
  Handler& handler;
  NetMetrics metrics;

  /// Counts one connection more, if `limit` leaves room.
  static bool admit(std::atomic<std::size_t>& count, std::size_t limit) noexcept;
  /// Counts one connection less; wakes wait_until_empty().
  void leave(std::atomic<std::size_t>& count) noexcept;
  /// Waits until no connection is open, or `deadline`.
  void wait_until_empty(std::chrono::steady_clock::time_point deadline);

  std::atomic<std::size_t> connections{0};          ///< Within max_connections.
  std::atomic<std::size_t> refused_connections{0};  ///< Beyond it, being told so.

 private:
  std::mutex mutex_;
  std::condition_variable emptied_;
};

class Connection;

/// One io_context with its thread, the connections that live on it, their deadlines and the tasks posted to it.
/// *Concurrency*: post(), adopt(), begin_stop(), finish() from any thread; all else on the io thread.
class IoThread {
 public:
  /// `index`: 0 .. io_threads-1.
  IoThread(std::size_t index, ServerState& server);
  ~IoThread();
  IoThread(const IoThread&) = delete;
  IoThread& operator=(const IoThread&) = delete;

  void start();
  /// See HttpServer::post(). However many tasks wait, the thread is woken once. *Limits*: callers post what answers an
  /// exchange, so the queue is bounded by the connections.
  void post(std::function<void()> task);
  /// Serves an accepted connection that the server has counted in `counted`; with `refuse`, tells it 503 instead.
  void adopt(Socket socket, std::atomic<std::size_t>& counted, bool refuse);
  /// Closes idle connections, and the others once they are answered.
  void begin_stop();
  /// Drops posted tasks, closes what is left and joins the thread. No Exchange of this thread lives on.
  void finish();

  asio::io_context& context() noexcept { return context_; }
  std::size_t index() const noexcept { return index_; }
  ServerState& server() noexcept { return server_; }
  bool is_this_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }

  bool stopping() const noexcept { return stopping_; }
  /// The time of the last sweep: up to kSweepInterval ago, but free.
  MonotonicTime now() const noexcept { return now_; }
  const HttpDate& date() const noexcept { return date_; }
  GzipUnpacker& gzip() noexcept { return gzip_; }
  std::uint64_t id_prefix() const noexcept { return id_prefix_; }
  std::uint64_t next_request_number() noexcept { return ++request_number_; }

  /// Called by a connection that begins and ends to live here.
  void add(Connection& connection);
  void remove(Connection& connection) noexcept;
  /// Has Connection::resume() called after the code that runs now, not within it.
  void resume_later(Connection& connection);

 private:
  void arm_sweep();
  void sweep();
  void run_tasks();
  void resume_ready();
  void serve(Socket socket, std::atomic<std::size_t>& counted, bool refuse);
  void shut_down();

  const std::size_t index_;
  ServerState& server_;
  const std::uint64_t id_prefix_;
  asio::io_context context_{1};
  asio::executor_work_guard<IoExecutor> work_{context_.get_executor()};

  // Confined to the io thread.
  SteadyTimer sweep_timer_{context_};
  MonotonicTime now_;
  HttpDate date_;
  GzipUnpacker gzip_;
  std::vector<Connection*> connections_;
  std::vector<Connection*> ready_;  ///< Answered, to be resumed.
  bool resume_scheduled_ = false;
  bool stopping_ = false;
  bool shut_down_ = false;
  std::uint64_t request_number_ = 0;
  std::vector<std::function<void()>> running_tasks_;

  std::mutex mutex_;  ///< Guards the three below.
  std::vector<std::function<void()>> tasks_;
  bool wake_pending_ = false;
  bool closed_ = false;

  std::thread thread_;
};

}  // namespace tidemark::net
