#include <gmock/gmock.h>

#include <latch>
#include <thread>

#include "rig.hpp"

namespace tidemark::flow {
namespace {

/// The flow of a rig by the real clock.
class FlowThreadTest : public ::testing::Test {
 protected:
  static constexpr seconds kPatience{120};

  void open(LogFlowOptions options) {
    options.poll_interval = milliseconds(1);
    options.retry_min = milliseconds(1);
    options.retry_max = milliseconds(10);
    flow_ = std::make_unique<LogFlow>(options, *rig_.log, *rig_.faulty, rig_.fold, clock_, rig_.random, *rig_.metrics);
    thread_ = std::make_unique<FlowThread>(*flow_);
  }

  template <class Condition>
  bool await(Condition condition) {
    const MonotonicTime deadline = clock_.monotonic() + kPatience;
    while (!condition() && clock_.monotonic() < deadline) std::this_thread::yield();
    return condition();
  }

  Rig rig_;
  SystemClock clock_;
  std::unique_ptr<LogFlow> flow_;
  std::unique_ptr<FlowThread> thread_;
};

TEST_F(FlowThreadTest, applies_what_arrives) {
  open({.flush_interval = milliseconds(5)});
  thread_->start();
  for (int i = 0; i < 3; ++i) {
    rig_.append({{"a", 1}});
    EXPECT_TRUE(await([&] { return flow_->caught_up(); }));
  }
  EXPECT_TRUE(thread_->stop(kPatience));
  EXPECT_EQ(rig_.sums(), (Sums{{"a", 3}}));
  EXPECT_EQ(flow_->status().state, FlowState::kStopped);
}

TEST_F(FlowThreadTest, stopping_applies_what_is_left_without_waiting_for_the_flush_interval) {
  open({.flush_interval = seconds(3600), .page_items = 2});
  thread_->start();
  rig_.append({{"a", 1}, {"a", 1}, {"a", 1}, {"a", 1}, {"a", 1}});
  EXPECT_TRUE(thread_->stop(kPatience));
  EXPECT_EQ(rig_.sums(), (Sums{{"a", 5}}));
}

TEST_F(FlowThreadTest, stopping_rides_over_a_failure) {
  open({.flush_interval = seconds(3600)});
  rig_.append({{"a", 1}});
  thread_->start();
  rig_.faulty->inject({.after = 0});
  EXPECT_TRUE(thread_->stop(kPatience));
  EXPECT_EQ(rig_.sums(), (Sums{{"a", 1}}));
}

TEST_F(FlowThreadTest, stopping_gives_up_in_time_when_the_database_is_down) {
  open({});
  rig_.faulty->set_down(true);
  rig_.append({{"a", 1}});
  thread_->start();
  EXPECT_TRUE(await([&] { return flow_->status().state == FlowState::kDegraded; }));
  EXPECT_FALSE(thread_->stop(milliseconds(50)));
}

TEST_F(FlowThreadTest, stopping_returns_in_time_when_a_call_hangs) {
  open({});
  std::latch hangs(1);
  std::latch released(1);
  std::atomic<bool> hung = false;
  rig_.faulty->before_each_call([&] {
    if (hung.exchange(true)) return;
    hangs.count_down();
    released.wait();
  });
  rig_.append({{"a", 1}});
  thread_->start();
  hangs.wait();
  EXPECT_FALSE(thread_->stop(milliseconds(10)));
  released.count_down();
  thread_.reset();
}

TEST_F(FlowThreadTest, ends_without_being_stopped) {
  open({.flush_interval = seconds(3600)});
  rig_.append({{"a", 1}});
  thread_->start();
  EXPECT_TRUE(await([&] { return flow_->status().state == FlowState::kRunning; }));
  thread_.reset();
  EXPECT_FALSE(flow_->caught_up());
}

TEST_F(FlowThreadTest, never_started_has_nothing_to_stop) {
  open({});
  EXPECT_FALSE(thread_->stop(seconds(0)));
}

}  // namespace
}  // namespace tidemark::flow
