#include <condition_variable>
#include <mutex>
#include <thread>

#include "tidemark/base/assert.hpp"
#include "tidemark/flow/log_flow.hpp"

namespace tidemark::flow {

struct FlowThread::Impl {
  explicit Impl(LogFlow& with) : flow(with) {}

  void run();
  bool goes_on() const { return !abandoned && !(draining && flow.caught_up()); }

  LogFlow& flow;
  std::mutex mutex;
  std::condition_variable changed;
  bool draining = false;   // Guarded by mutex: apply what is there, then end.
  bool abandoned = false;  // Guarded by mutex: end at once.
  bool ended = false;      // Guarded by mutex.
  std::thread thread;
};

void FlowThread::Impl::run() {
  std::unique_lock lock(mutex);
  while (goes_on()) {
    const bool drain = draining;
    lock.unlock();
    const microseconds wait = flow.step(drain);
    lock.lock();
    if (!goes_on()) break;
    changed.wait_for(lock, wait, [&] { return abandoned || draining != drain; });
  }
  flow.note_stopped();
  ended = true;
  changed.notify_all();
}

FlowThread::FlowThread(LogFlow& flow) : impl_(std::make_unique<Impl>(flow)) {}

FlowThread::~FlowThread() {
  if (!impl_->thread.joinable()) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->abandoned = true;
  }
  impl_->changed.notify_all();
  impl_->thread.join();
}

void FlowThread::start() {
  TIDEMARK_ASSERT(!impl_->thread.joinable());
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

bool FlowThread::stop(microseconds budget) {
  std::unique_lock lock(impl_->mutex);
  impl_->draining = true;
  impl_->changed.notify_all();
  if (impl_->thread.joinable()) impl_->changed.wait_for(lock, budget, [&] { return impl_->ended; });
  impl_->abandoned = true;
  impl_->changed.notify_all();
  return impl_->flow.caught_up();
}

}  // namespace tidemark::flow
