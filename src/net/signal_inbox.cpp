#include "net/signal_inbox.h"

#include "net/socket_calls.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <string>

#include <sys/eventfd.h>
#include <unistd.h>

namespace sallyport::net {

namespace {

constexpr int signals = 65;  // 1 to 64

}  // namespace

/// Never destroyed, and its eventfd never closed: a handler in another thread may be at it.
struct SignalInbox::Place {
  std::atomic<int> fd = -1;
  std::array<std::atomic<bool>, signals> watched{};
  std::array<std::atomic<unsigned>, signals> came{};
  bool taken = false;  // under the mutex
};

namespace {

static_assert(std::atomic<int>::is_always_lock_free && std::atomic<unsigned>::is_always_lock_free &&
                  std::atomic<bool>::is_always_lock_free,
              "else a signal handler may not touch them");

std::array<SignalInbox::Place, 16> places;

// What follows is under the mutex.
std::mutex mutex;
std::array<unsigned, signals> watchers{};
std::array<bool, signals> kept{};
std::array<struct sigaction, signals> before{};

void on_signal(int signal) {
  const int error = errno;
  for (SignalInbox::Place& place : places) {
    if (!place.watched[static_cast<std::size_t>(signal)]) continue;
    ++place.came[static_cast<std::size_t>(signal)];
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(place.fd, &one, sizeof one);
  }
  errno = error;
}

}  // namespace

SignalInbox::~SignalInbox() {
  if (place_ == nullptr) return;
  const std::scoped_lock lock(mutex);
  for (std::size_t signal = 1; signal < signals; ++signal) {
    if (!place_->watched[signal].exchange(false)) continue;
    place_->came[signal] = 0;
    if (--watchers[signal] == 0 && !kept[signal])
      ::sigaction(static_cast<int>(signal), &before[signal], nullptr);
  }
  place_->taken = false;
}

Result<> SignalInbox::open() {
  const std::scoped_lock lock(mutex);
  for (Place& place : places) {
    if (place.taken) continue;
    if (place.fd < 0) {
      place.fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
      if (place.fd < 0) return std::unexpected(socket_error("cannot watch for signals", errno));
    }
    place.taken = true;
    place_ = &place;
    return {};
  }
  return fail(ErrorKind::resource, "cannot watch for signals: too many event loops do");
}

int SignalInbox::fd() const {
  return place_->fd;
}

Result<> SignalInbox::watch(int signal) {
  const std::string what = "cannot watch for signal " + std::to_string(signal);
  if (signal < 1 || signal >= signals) return std::unexpected(socket_error(what, EINVAL));
  const auto index = static_cast<std::size_t>(signal);
  const std::scoped_lock lock(mutex);
  if (place_->watched[index]) return {};
  if (watchers[index] == 0 && !kept[index]) {
    struct sigaction action{};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    ::sigfillset(&action.sa_mask);
    if (::sigaction(signal, &action, &before[index]) != 0) return std::unexpected(socket_error(what, errno));
  }
  ++watchers[index];
  place_->watched[index] = true;
  return {};
}

std::vector<int> SignalInbox::take() {
  std::vector<int> all;
  for (std::size_t signal = 1; signal < signals; ++signal)
    all.insert(all.end(), place_->came[signal].exchange(0), static_cast<int>(signal));
  return all;
}

void SignalInbox::keep_from_default() {
  if (place_ == nullptr) return;
  const std::scoped_lock lock(mutex);
  for (std::size_t signal = 1; signal < signals; ++signal)
    if (place_->watched[signal]) kept[signal] = true;
}

}  // namespace sallyport::net
