#include "io_thread.hpp"

#include <pthread.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <ctime>
#include <exception>
#include <span>
#include <string>
#include <utility>

#include "connection.hpp"
#include "tidemark/base/assert.hpp"
#include "tidemark/base/random.hpp"

namespace tidemark::net {
namespace {

MonotonicTime steady_now() {
  return std::chrono::time_point_cast<microseconds>(std::chrono::steady_clock::now());
}

std::uint64_t random_prefix() {
  std::uint64_t prefix = 0;
  SystemRandom().fill(std::as_writable_bytes(std::span(&prefix, 1)));
  return prefix;
}

// Whatever a connection's coroutine throws is a defect or a lack of memory: the process ends, as for the log.
void rethrow(std::exception_ptr thrown) {
  if (thrown) std::rethrow_exception(std::move(thrown));
}

}  // namespace

bool ServerState::admit(std::atomic<std::size_t>& count, std::size_t limit) noexcept {
  if (count.fetch_add(1, std::memory_order_relaxed) < limit) return true;
  count.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void ServerState::leave(std::atomic<std::size_t>& count) noexcept {
  // Under the mutex, so that the waiter can neither miss it nor find this object in use when it goes on.
  const std::lock_guard lock(mutex_);
  if (count.fetch_sub(1, std::memory_order_relaxed) == 1) emptied_.notify_all();
}

void ServerState::wait_until_empty(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  emptied_.wait_until(lock, deadline, [this] { return connections == 0 && refused_connections == 0; });
}

IoThread::IoThread(std::size_t index, ServerState& server)
    : index_(index), server_(server), id_prefix_(random_prefix()), now_(steady_now()), date_(std::time(nullptr)) {}

IoThread::~IoThread() {
  finish();
  TIDEMARK_ASSERT(connections_.empty());
}

void IoThread::start() {
  arm_sweep();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), ("net-" + std::to_string(index_)).c_str());
    context_.run();
  });
}

void IoThread::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    tasks_.push_back(std::move(task));
    if (std::exchange(wake_pending_, true)) return;
  }
  asio::post(context_, [this] { run_tasks(); });
}

void IoThread::run_tasks() {
  {
    const std::lock_guard lock(mutex_);
    running_tasks_.swap(tasks_);
    wake_pending_ = false;
  }
  const bool scheduled_before = std::exchange(resume_scheduled_, true);  // The answers given now are resumed below.
  for (auto& task : running_tasks_) task();
  running_tasks_.clear();
  resume_scheduled_ = scheduled_before;
  resume_ready();
}

void IoThread::resume_later(Connection& connection) {
  ready_.push_back(&connection);
  if (std::exchange(resume_scheduled_, true)) return;
  asio::post(context_, [this] {
    resume_scheduled_ = false;
    resume_ready();
  });
}

void IoThread::resume_ready() {
  // A resumed connection may have further requests, whose handling may answer others: those are taken by their own
  // resume_later().
  std::vector<Connection*> ready;
  ready.swap(ready_);
  // All answers first: while they are written, clients send what the resumed connections find when they read.
  for (Connection* connection : ready) connection->send_answer();
  for (Connection* connection : ready) connection->resume();
  ready.clear();
  if (ready_.empty()) ready_.swap(ready);  // Keeps the memory.
}

void IoThread::adopt(Socket socket, std::atomic<std::size_t>& counted, bool refuse) {
  asio::dispatch(context_, [this, socket = std::move(socket), &counted, refuse]() mutable {
    serve(std::move(socket), counted, refuse);
  });
}

void IoThread::serve(Socket socket, std::atomic<std::size_t>& counted, bool refuse) {
  auto connection = std::make_unique<Connection>(std::move(socket), *this, counted);
  if (stopping_) return;
  asio::co_spawn(
      context_, refuse ? Connection::refuse(std::move(connection)) : Connection::serve(std::move(connection)), rethrow);
}

void IoThread::add(Connection& connection) {
  connection.slot = connections_.size();
  connections_.push_back(&connection);
}

void IoThread::remove(Connection& connection) noexcept {
  TIDEMARK_ASSERT(connections_[connection.slot] == &connection);
  connections_.back()->slot = connection.slot;
  connections_[connection.slot] = connections_.back();
  connections_.pop_back();
}

void IoThread::arm_sweep() {
  sweep_timer_.expires_after(kSweepInterval);
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error || shut_down_) return;  // Of a timer that had run out already, the cancellation says nothing.
    sweep();
    arm_sweep();
  });
}

void IoThread::sweep() {
  now_ = steady_now();
  date_.set(std::time(nullptr));
  for (Connection* connection : connections_) connection->sweep(now_);
  if (index_ == 0) server_.metrics.set_connections(server_.connections.load(std::memory_order_relaxed));
}

void IoThread::begin_stop() {
  asio::post(context_, [this] {
    stopping_ = true;
    for (Connection* connection : connections_) connection->close_if_idle();
  });
}

void IoThread::finish() {
  if (!thread_.joinable()) return;
  asio::post(context_, [this] { shut_down(); });
  thread_.join();
}

void IoThread::shut_down() {
  stopping_ = shut_down_ = true;
  std::vector<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(tasks_);
  }
  while (!ready_.empty()) resume_ready();
  const std::vector<Connection*> left = connections_;
  for (Connection* connection : left) connection->abort();
  sweep_timer_.cancel();
  work_.reset();
}

}  // namespace tidemark::net
