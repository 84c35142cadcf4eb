#include "net/event_loop.h"

#include "base/log.h"
#include "net/event_loop_impl.h"

#include <cerrno>
#include <cstdlib>

#include <boost/asio/post.hpp>
#include <sys/timerfd.h>

namespace sallyport::net {
namespace {

Time clock_now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

EventLoop::Impl::~Impl() {
  // The nodes hold descriptors of the context, which has to be destroyed last.
  to_arm.clear();
  alarm.close();
}

void EventLoop::Impl::enter_turn() {
  if (in_turn) return;
  in_turn = true;
  timers.set_now(clock_now());
}

void EventLoop::Impl::arm_alarm(Time deadline) {
  // A timerfd that expires too early costs one empty turn; moving it would cost a system call for every
  // packet. So it is not moved later.
  if (deadline == never || (alarm_at <= deadline && alarm_at > timers.now())) return;
  const auto since_start = deadline.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_start);
  itimerspec setting{};
  setting.it_value.tv_sec = static_cast<time_t>(seconds.count());
  setting.it_value.tv_nsec = static_cast<long>((since_start - seconds).count());
  ::timerfd_settime(alarm.fd(), TFD_TIMER_ABSTIME, &setting, nullptr);
  alarm_at = deadline;
  alarm.want_readable(true);
}

void EventLoop::Impl::on_readable() {
  alarm_at = never;
  alarm.want_readable(false);
}

void EventLoop::Impl::wait() {
  const Time deadline = timers.next_deadline();
  const bool due = deadline <= timers.now();
  if (!due) arm_alarm(deadline);
  arming.swap(to_arm);
  for (const NodeRef& node : arming) arm(node);
  arming.clear();
  // The first event ends the wait; those that came with it belong to the same turn.
  if (due || context.run_one() > 0) context.poll();
}

void EventLoop::Impl::run_posted() {
  {
    const std::scoped_lock lock(posted_mutex);
    running.swap(posted);
  }
  for (auto& work : running) work();
  running.clear();
}

EventLoop::EventLoop() : timers_(clock_now()), impl_(std::make_unique<Impl>(timers_)) {
  UniqueFd alarm_fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  auto alarm = FdWatch::open(*this, std::move(alarm_fd), *impl_);
  if (!alarm) {
    // The loop cannot work without a clock, and there is no recovery.
    log_error("cannot start an event loop: {}", alarm.error().message);
    std::abort();
  }
  impl_->alarm = std::move(*alarm);
}

EventLoop::~EventLoop() = default;

void EventLoop::run() {
  Impl& impl = *impl_;
  while (true) {
    impl.enter_turn();
    impl.run_posted();
    timers_.advance(timers_.now());
    timers_.run_deferred();
    impl.in_turn = false;
    if (impl.stopping.load(std::memory_order_relaxed)) break;
    impl.wait();
  }
  impl.context.restart();
  impl.stopping = false;
}

void EventLoop::stop() {
  impl_->stopping = true;
  impl_->context.stop();
}

void EventLoop::post(std::function<void()> work) {
  bool wake = false;
  {
    const std::scoped_lock lock(impl_->posted_mutex);
    wake = impl_->posted.empty();
    impl_->posted.push_back(std::move(work));
  }
  // Only to end the wait: Asio would run it within the turn that posted it.
  if (wake) boost::asio::post(impl_->context, [] {});
}

void EventLoop::on_signals(std::initializer_list<int> signals, std::function<void(int)> handler) {
  auto set = std::make_unique<boost::asio::signal_set>(impl_->context);
  for (const int signal : signals) {
    boost::system::error_code error;
    set->add(signal, error);
    if (error)
      log_error("cannot watch for signal {}: {}", signal, error.message());
    else
      impl_->watched_signals.push_back(signal);
  }
  impl_->wait_for_signal(*set, std::make_shared<std::function<void(int)>>(std::move(handler)));
  impl_->signal_sets.push_back(std::move(set));
}

void EventLoop::keep_signals_from_default() {
  // Asio restores the default action with the last set that holds a signal; these are in one that is never
  // destroyed, and nobody waits for.
  static auto& context = *new boost::asio::io_context(1);
  static auto& kept = *new boost::asio::signal_set(context);
  boost::system::error_code ignored;
  for (const int signal : impl_->watched_signals) kept.add(signal, ignored);
}

void EventLoop::Impl::wait_for_signal(boost::asio::signal_set& signals,
                                      const std::shared_ptr<std::function<void(int)>>& handler) {
  signals.async_wait([this, &signals, handler](const boost::system::error_code& error, int signal) {
    if (error) return;
    enter_turn();
    (*handler)(signal);
    wait_for_signal(signals, handler);
  });
}

}  // namespace sallyport::net
