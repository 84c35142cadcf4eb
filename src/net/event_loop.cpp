#include "net/event_loop.h"

#include "base/log.h"
#include "net/event_loop_impl.h"
#include "net/socket_calls.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <utility>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace sallyport::net {
namespace {

Time clock_now() {
  return std::chrono::steady_clock::now();
}

std::uint32_t events_of(const FdWatch::Node& node) {
  const std::uint32_t wanted = (node.want_read ? EPOLLIN : 0u) | (node.want_write ? EPOLLOUT : 0u);
  // The kernel reports errors and hang-ups in any case: once, where nobody would act on them.
  return wanted != 0 ? wanted : EPOLLET;
}

timespec timespec_of(Duration duration) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(duration);
  return {static_cast<time_t>(seconds.count()), static_cast<long>((duration - seconds).count())};
}

}  // namespace

EventLoop::Impl::Impl(Timers& loop_timers)
    : timers_(loop_timers),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  register_or_abort(wake_.get(), &wake_);
}

void EventLoop::Impl::register_or_abort(int fd, void* tag) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = tag;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return;
  // The loop cannot work without being woken, and there is no recovery.
  log_error("{}", socket_error("cannot start an event loop", errno).message);
  std::abort();
}

// Descriptors

Result<> EventLoop::Impl::add(FdWatch::Node& node) {
  // Most want to be read from; what others want is told at the end of the turn.
  node.registered = EPOLLIN;
  epoll_event event{};
  event.events = node.registered;
  event.data.ptr = &node;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, node.fd.get(), &event) != 0)
    return std::unexpected(socket_error("cannot watch a descriptor", errno));
  change(node);
  return {};
}

void EventLoop::Impl::change(FdWatch::Node& node) {
  if (!std::exchange(node.changed, true)) changed_.push_back(&node);
}

void EventLoop::Impl::retire(FdWatch::Node* node) {
  // Closing alone would not do where the descriptor was duplicated.
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, node->fd.get(), nullptr);
  node->watcher = nullptr;
  node->fd.reset();
  retired_.emplace_back(node);
}

void EventLoop::Impl::apply_changes() {
  for (FdWatch::Node* const node : changed_) {
    node->changed = false;
    const std::uint32_t wanted = events_of(*node);
    if (node->watcher == nullptr || node->registered == wanted) continue;
    epoll_event event{};
    event.events = wanted;
    event.data.ptr = node;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, node->fd.get(), &event) == 0)
      node->registered = wanted;
    else
      log_error("{}", socket_error("cannot watch a descriptor", errno).message);
  }
  changed_.clear();
  retired_.clear();
}

void EventLoop::Impl::dispatch(const epoll_event& event) {
  if (event.data.ptr == &wake_) return;
  if (event.data.ptr == &inbox_) return hand_over_signals();
  auto* const node = static_cast<FdWatch::Node*>(event.data.ptr);
  constexpr std::uint32_t broken = EPOLLERR | EPOLLHUP;
  if (node->watcher != nullptr && node->want_read && (event.events & (EPOLLIN | broken)) != 0)
    node->watcher->on_readable();
  if (node->watcher != nullptr && node->want_write && (event.events & (EPOLLOUT | broken)) != 0) {
    node->want_write = false;
    change(*node);
    node->watcher->on_writable();
  }
}

// Turns

int EventLoop::Impl::wait_until(Time deadline) {
  const int capacity = static_cast<int>(events_.size());
  if (deadline == never) return ::epoll_wait(epoll_.get(), events_.data(), capacity, -1);
  const Duration left = deadline <= timers_.now() ? Duration::zero() : deadline - clock_now();
  if (left <= Duration::zero()) return ::epoll_wait(epoll_.get(), events_.data(), capacity, 0);
  // epoll_wait() alone rounds to milliseconds, which is too coarse to pace packets by.
  static std::atomic<bool> has_pwait2 = true;
  if (has_pwait2.load(std::memory_order_relaxed)) {
    const timespec timeout = timespec_of(left);
    const int count = ::epoll_pwait2(epoll_.get(), events_.data(), capacity, &timeout, nullptr);
    // Before Linux 5.11, or forbidden by a container's seccomp profile.
    if (count >= 0 || (errno != ENOSYS && errno != EPERM)) return count;
    has_pwait2 = false;
  }
  const auto milliseconds = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return ::epoll_wait(
      epoll_.get(), events_.data(), capacity,
      static_cast<int>(std::min<std::int64_t>(milliseconds, std::numeric_limits<int>::max())));
}

std::size_t EventLoop::Impl::wait_for_events() {
  const bool has_work = has_posted_.load(std::memory_order_acquire);
  const int count = wait_until(has_work ? timers_.now() : timers_.next_deadline());
  // EINTR: a signal of ours, which its inbox tells of in the next turn.
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

void EventLoop::Impl::wait() {
  apply_changes();
  const std::size_t count = wait_for_events();
  timers_.set_now(clock_now());
  for (std::size_t i = 0; i < count; ++i) dispatch(events_[i]);
}

void EventLoop::Impl::run() {
  // Else a wait takes up to 50 microseconds longer than asked for. A failure costs no more than that.
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  thread_ = std::this_thread::get_id();
  timers_.set_now(clock_now());
  while (true) {
    run_posted();
    timers_.advance(timers_.now());
    timers_.run_deferred();
    if (stopping_.load(std::memory_order_relaxed)) break;
    wait();
  }
  thread_ = std::thread::id();
  stopping_ = false;
}

void EventLoop::Impl::stop() {
  stopping_ = true;
  wake_up();
}

void EventLoop::Impl::wake_up() {
  if (thread_.load(std::memory_order_relaxed) == std::this_thread::get_id()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void EventLoop::Impl::post(std::function<void()> work) {
  bool wake = false;
  {
    const std::scoped_lock lock(posted_mutex_);
    wake = posted_.empty();
    posted_.push_back(std::move(work));
    has_posted_.store(true, std::memory_order_release);
  }
  if (wake) wake_up();
}

void EventLoop::Impl::run_posted() {
  if (!has_posted_.load(std::memory_order_acquire)) return;
  {
    const std::scoped_lock lock(posted_mutex_);
    running_.swap(posted_);
    has_posted_.store(false, std::memory_order_relaxed);
  }
  for (auto& work : running_) work();
  running_.clear();
}

// Signals

void EventLoop::Impl::on_signals(std::initializer_list<int> signals, std::function<void(int)> handler) {
  if (!inbox_.is_open()) {
    if (auto opened = inbox_.open(); !opened) return log_error("{}", opened.error().message);
    register_or_abort(inbox_.fd(), &inbox_);
  }
  SignalHandler added{.signals = {}, .call = std::make_shared<std::function<void(int)>>(std::move(handler))};
  for (const int signal : signals) {
    if (auto watched = inbox_.watch(signal); !watched)
      log_error("{}", watched.error().message);
    else
      added.signals.push_back(signal);
  }
  signal_handlers_.push_back(std::move(added));
}

void EventLoop::Impl::keep_signals() {
  inbox_.keep_from_default();
}

void EventLoop::Impl::hand_over_signals() {
  for (const int signal : inbox_.take()) {
    std::vector<std::shared_ptr<std::function<void(int)>>> calls;
    for (const SignalHandler& handler : signal_handlers_)
      if (std::ranges::find(handler.signals, signal) != handler.signals.end()) calls.push_back(handler.call);
    for (const auto& call : calls) (*call)(signal);
  }
}

// EventLoop

EventLoop::EventLoop() : timers_(clock_now()), impl_(std::make_unique<Impl>(timers_)) {}

EventLoop::~EventLoop() = default;

void EventLoop::run() {
  impl_->run();
}

void EventLoop::stop() {
  impl_->stop();
}

void EventLoop::post(std::function<void()> work) {
  impl_->post(std::move(work));
}

void EventLoop::on_signals(std::initializer_list<int> signals, std::function<void(int)> handler) {
  impl_->on_signals(signals, std::move(handler));
}

void EventLoop::keep_signals_from_default() {
  impl_->keep_signals();
}

}  // namespace sallyport::net
