// Happy Eyeballs, version 2 (RFC 8305): the order of the addresses and the race of the connects.
#include "net/resolver.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sallyport::net {
namespace {

class Race final : public TcpConnecting {
 public:
  Race(EventLoop& loop, std::vector<IpAddress> addresses, std::uint16_t port, const TcpOptions& options,
       TcpConnected connected, TcpAddressFailed failed, Duration delay)
      : loop_(loop),
        addresses_(std::move(addresses)),
        port_(port),
        options_(options),
        connected_(std::move(connected)),
        failed_(std::move(failed)),
        delay_(delay),
        next_attempt_(loop.timers(), [this](Time) { start_next(); }) {}

  void start(Time deadline) {
    deadline_ = deadline;
    start_next();
  }

 private:
  void start_next() {
    const Time now = loop_.timers().now();
    const std::size_t number = attempts_.size();
    ++running_;
    // Each attempt may take all the time that is left, so the last one to give up gives the answer.
    attempts_.push_back(tcp_connect(loop_, SocketAddress(addresses_[number], port_),
                                    std::max(deadline_ - now, Duration{0}), options_,
                                    [this, number](Result<std::unique_ptr<ByteStream>> result) {
                                      on_result(number, std::move(result));
                                    }));
    next_attempt_.arm(attempts_.size() < addresses_.size() ? now + delay_ : never);
  }

  void on_result(std::size_t number, Result<std::unique_ptr<ByteStream>> result) {
    --running_;
    if (!result && failed_) failed_(result.error());
    const bool more = attempts_.size() < addresses_.size();
    if (!result && more && loop_.timers().now() < deadline_) {
      attempts_[number].reset();
      return start_next();
    }
    if (!result && running_ > 0) return;
    next_attempt_.disarm();
    attempts_.clear();
    const TcpConnected connected = std::move(connected_);
    connected(std::move(result));  // may destroy this object
  }

  EventLoop& loop_;
  const std::vector<IpAddress> addresses_;
  const std::uint16_t port_;
  const TcpOptions options_;
  TcpConnected connected_;
  TcpAddressFailed failed_;
  const Duration delay_;
  Timer next_attempt_;
  Time deadline_ = never;
  std::vector<std::unique_ptr<TcpConnecting>> attempts_;  // in the order of addresses_
  std::size_t running_ = 0;
};

}  // namespace

std::vector<IpAddress> interleave_families(std::vector<IpAddress> addresses) {
  std::vector<IpAddress> first_family;
  std::vector<IpAddress> other_family;
  for (const IpAddress& address : addresses)
    (address.is_v4() == addresses.front().is_v4() ? first_family : other_family).push_back(address);
  std::vector<IpAddress> order;
  order.reserve(addresses.size());
  for (std::size_t i = 0; order.size() < addresses.size(); ++i) {
    if (i < first_family.size()) order.push_back(first_family[i]);
    if (i < other_family.size()) order.push_back(other_family[i]);
  }
  return order;
}

std::unique_ptr<TcpConnecting> happy_eyeballs_connect(EventLoop& loop, std::vector<IpAddress> addresses,
                                                      std::uint16_t port, Duration timeout,
                                                      const TcpOptions& options, TcpConnected connected,
                                                      TcpAddressFailed failed, Duration delay) {
  assert(!addresses.empty());
  const Time deadline = loop.timers().now() + timeout;
  auto race = std::make_unique<Race>(loop, std::move(addresses), port, options, std::move(connected),
                                     std::move(failed), delay);
  race->start(deadline);
  return race;
}

}  // namespace sallyport::net
