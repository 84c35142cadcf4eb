// EventLoop::Impl, for event_loop.cpp and fd_watch.cpp: Asio's context and the work of a turn.
#pragma once

#include "net/event_loop.h"
#include "net/fd_watch.h"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

namespace sallyport::net {

/// Counts the holders of a Node: its FdWatch, Asio's pending operations, the list of nodes to arm.
class NodeRef {
 public:
  explicit NodeRef(FdWatch::Node* node);
  NodeRef(const NodeRef& other) : NodeRef(other.node_) {}
  NodeRef(NodeRef&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
  NodeRef& operator=(NodeRef other) noexcept {
    std::swap(node_, other.node_);
    return *this;
  }
  ~NodeRef();
  FdWatch::Node* operator->() const { return node_; }
  FdWatch::Node* get() const { return node_; }

 private:
  FdWatch::Node* node_;
};

/// Starts the waits that the node's watch wants.
void arm(const NodeRef& node);

struct EventLoop::Impl final : FdWatcher {
  explicit Impl(Timers& loop_timers) : timers(loop_timers) {}
  ~Impl();

  /// The turn's time is the clock's when its first event is handled: a wait lies between two turns.
  void enter_turn();
  void wait();
  void run_posted();
  void arm_alarm(Time deadline);
  void wait_for_signal(boost::asio::signal_set& signals,
                       const std::shared_ptr<std::function<void(int)>>& handler);
  /// The timerfd expired. It stays readable until it is set again, so it is not watched until then.
  void on_readable() override;
  void on_writable() override {}

  Timers& timers;
  // Only one thread runs it, others only post: lets Asio omit some locking.
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running{
      context.get_executor()};
  bool in_turn = false;
  std::atomic<bool> stopping = false;

  std::vector<NodeRef> to_arm;  // watches to arm again
  std::vector<NodeRef> arming;  // its other half, swapped so that neither is allocated again

  FdWatch alarm;  // a timerfd: epoll's own time-out is too coarse to pace packets by
  Time alarm_at = never;

  std::vector<std::unique_ptr<boost::asio::signal_set>> signal_sets;
  std::vector<int> watched_signals;

  std::mutex posted_mutex;
  std::vector<std::function<void()>> posted;  // under posted_mutex
  std::vector<std::function<void()>> running;
};

}  // namespace sallyport::net
