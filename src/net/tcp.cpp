#include "net/tcp.h"

#include "base/lifetime.h"
#include "base/log.h"
#include "net/fd_watch.h"
#include "net/socket_calls.h"
#include "net/tcp_stream.h"
#include "net/unix_socket.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

constexpr unsigned accepts_a_turn = 64;
constexpr Duration pause_without_descriptors = 100ms;

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void end_when_silent(int fd, Duration timeout) {
  const auto in_range = [](std::int64_t value, std::int64_t most) {
    return static_cast<int>(std::clamp<std::int64_t>(value, 1, most));
  };
  constexpr std::int64_t most_seconds = 32'767;  // that the kernel takes
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(timeout).count();
  set_socket_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  // Some probes may be lost.
  set_socket_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, in_range(seconds / 2, most_seconds));
  set_socket_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, in_range(seconds / 6, most_seconds));
  // Stands in for the number of probes as well (tcp(7)).
  set_socket_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
                    in_range(std::chrono::ceil<std::chrono::milliseconds>(timeout).count(),
                             std::numeric_limits<int>::max()));
}

class Listener final : public TcpListener, private FdWatcher {
 public:
  Listener(EventLoop& loop, const TcpOptions& options, Accepted accepted, OwnedName name = {})
      : loop_(loop),
        options_(options),
        accepted_(std::move(accepted)),
        name_(std::move(name)),
        resume_(loop.timers(), [this](Time) { watch_.want_readable(true); }) {}

  Result<> open(UniqueFd fd) {
    local_ = local_address(fd.get());
    auto watch = FdWatch::open(loop_, std::move(fd), *this);
    if (!watch) return std::unexpected(std::move(watch.error()));
    watch_ = std::move(*watch);
    watch_.want_readable(true);
    return {};
  }

  SocketAddress local() const override { return local_; }

  void close() override {
    resume_.disarm();
    watch_.close();
  }

 private:
  void on_readable() override {
    const Lifetime::Guard guard(lifetime_);
    for (unsigned i = 0; i < accepts_a_turn && !guard.gone() && watch_.fd() >= 0; ++i) {
      sockaddr_storage storage{};
      socklen_t length = sizeof storage;
      UniqueFd fd(::accept4(watch_.fd(), reinterpret_cast<sockaddr*>(&storage), &length,
                            SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) {
        const int error = errno;
        if (is_shortage(error)) pause(error);
        if (error == EAGAIN || is_shortage(error)) break;
        continue;  // the connection ended before it was accepted
      }
      if (is_reserved(fd.get(), options_.leave_descriptors)) {
        fd.reset();
        pause(EMFILE);
        break;
      }
      hand_out(std::move(fd), SocketAddress(reinterpret_cast<const sockaddr*>(&storage), length));
    }
  }

  void on_writable() override {}

  void hand_out(UniqueFd fd, const SocketAddress& remote) {
    if (options_.no_delay) set_socket_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    if (options_.silence_timeout > Duration::zero()) end_when_silent(fd.get(), options_.silence_timeout);
    auto watch = FdWatch::open(loop_, std::move(fd), *this);
    if (!watch) return pause(static_cast<int>(watch.error().code));
    accepted_(std::make_unique<TcpStream>(loop_, std::move(*watch), remote, options_.counters));
  }

  /// Connections wait in the kernel's queue meanwhile; retrying at once would waste CPU time.
  void pause(int error) {
    if (options_.counters != nullptr) ++options_.counters->shortages;
    watch_.want_readable(false);
    resume_.arm(loop_.timers().now() + pause_without_descriptors);
    static LogOnce once;
    if (once.first()) log_error("{}", socket_error("cannot accept on " + local_.to_string(), error).message);
  }

  EventLoop& loop_;
  const TcpOptions options_;
  Accepted accepted_;
  OwnedName name_;
  FdWatch watch_;
  SocketAddress local_;
  Timer resume_;
  Lifetime lifetime_;
};

class Connecting final : public TcpConnecting, private FdWatcher {
 public:
  Connecting(EventLoop& loop, const SocketAddress& remote, const TcpOptions& options, TcpConnected connected)
      : loop_(loop),
        remote_(remote),
        options_(options),
        connected_(std::move(connected)),
        time_out_(loop.timers(), [this](Time) { fail(ETIMEDOUT); }),
        failed_at_once_(loop.timers(), [this](Time) { answer(std::unexpected(std::move(error_))); }) {}

  void start(Duration timeout) {
    if (Result<> opened = open(); !opened) {
      error_ = std::move(opened.error());
      failed_at_once_.request();
      return;
    }
    time_out_.arm(loop_.timers().now() + timeout);
    watch_.want_writable();
  }

 private:
  Result<> open() {
    UniqueFd fd(::socket(remote_.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!fd) return std::unexpected(socket_error("cannot open a TCP socket", errno));
    if (is_reserved(fd.get(), options_.leave_descriptors))
      return std::unexpected(socket_error("cannot open a TCP socket", EMFILE));
    if (options_.no_delay) set_socket_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    if (::connect(fd.get(), remote_.data(), remote_.size()) != 0 && errno != EINPROGRESS)
      return std::unexpected(connect_error(what(), errno));
    auto watch = FdWatch::open(loop_, std::move(fd), *this);
    if (!watch) return std::unexpected(std::move(watch.error()));
    watch_ = std::move(*watch);
    return {};
  }

  std::string what() const { return "cannot connect to " + remote_.to_string(); }

  void on_readable() override {}
  void on_writable() override {
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(watch_.fd(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0) return fail(error);
    answer(std::make_unique<TcpStream>(loop_, std::move(watch_), remote_, options_.counters));
  }

  void fail(int error) {
    watch_.close();
    answer(std::unexpected(socket_error(what(), error)));
  }

  /// The callback may destroy this object.
  void answer(Result<std::unique_ptr<ByteStream>> result) {
    time_out_.disarm();
    const TcpConnected connected = std::move(connected_);
    connected(std::move(result));
  }

  EventLoop& loop_;
  const SocketAddress remote_;
  const TcpOptions options_;
  TcpConnected connected_;
  FdWatch watch_;
  Error error_;
  Timer time_out_;
  Deferred failed_at_once_;
};

Result<UniqueFd> open_listening(const SocketAddress& local, const TcpOptions& options) {
  const std::string what = "cannot listen on TCP " + local.to_string();
  UniqueFd fd(::socket(local.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd && errno == EAFNOSUPPORT && is_wildcard_v6(local))  // a host without IPv6
    return open_listening(SocketAddress(IpAddress(), local.port()), options);
  if (!fd) return std::unexpected(socket_error(what, errno));
  if (is_wildcard_v6(local)) set_socket_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  set_socket_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (options.reuse_port) set_socket_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (::bind(fd.get(), local.data(), local.size()) != 0 || ::listen(fd.get(), SOMAXCONN) != 0)
    return std::unexpected(socket_error(what, errno));
  return fd;
}

}  // namespace

Result<std::unique_ptr<TcpListener>> TcpListener::listen(EventLoop& loop, const SocketAddress& local,
                                                         const TcpOptions& options, Accepted accepted) {
  Result<UniqueFd> fd = open_listening(local, options);
  if (!fd) return std::unexpected(std::move(fd.error()));
  auto listener = std::make_unique<Listener>(loop, options, std::move(accepted));
  if (Result<> opened = listener->open(std::move(*fd)); !opened)
    return std::unexpected(std::move(opened.error()));
  return listener;
}

Result<std::unique_ptr<TcpListener>> TcpListener::listen_unix(EventLoop& loop, const std::string& path,
                                                              const TcpOptions& options, Accepted accepted) {
  auto listening = listen_on_unix_socket(path);
  if (!listening) return std::unexpected(std::move(listening.error()));
  TcpOptions plain = options;
  plain.no_delay = false;
  auto listener = std::make_unique<Listener>(loop, plain, std::move(accepted), std::move(listening->name));
  if (Result<> opened = listener->open(std::move(listening->fd)); !opened)
    return std::unexpected(std::move(opened.error()));
  return listener;
}

std::unique_ptr<TcpConnecting> tcp_connect(EventLoop& loop, const SocketAddress& remote, Duration timeout,
                                           const TcpOptions& options, TcpConnected connected) {
  auto connecting = std::make_unique<Connecting>(loop, remote, options, std::move(connected));
  connecting->start(timeout);
  return connecting;
}

}  // namespace sallyport::net
