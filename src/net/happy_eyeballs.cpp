// Happy Eyeballs, version 2 (RFC 8305): the order of the addresses and the race of the connects.
#include "net/attempt_schedule.h"
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
        schedule_(loop.timers(), [this](std::size_t number) { start(number); }, delay) {}

  void begin(Time deadline) {
    deadline_ = deadline;
    schedule_.begin(addresses_.size());
  }

 private:
  void start(std::size_t number) {
    const Time now = loop_.timers().now();
    ++running_;
    // Each attempt may take all of the remaining time, so the last failure is the result.
    attempts_.push_back(tcp_connect(loop_, SocketAddress(addresses_[number], port_),
                                    std::max(deadline_ - now, Duration{0}), options_,
                                    [this, number](Result<std::unique_ptr<ByteStream>> result) {
                                      on_result(number, std::move(result));
                                    }));
  }

  void on_result(std::size_t number, Result<std::unique_ptr<ByteStream>> result) {
    --running_;
    if (!result && failed_) failed_(result.error());
    if (!result && loop_.timers().now() < deadline_ && schedule_.has_more()) {
      attempts_[number].reset();
      schedule_.advance();
      return;
    }
    if (!result && running_ > 0) return;
    schedule_.stop();
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
  AttemptSchedule schedule_;
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
  race->begin(deadline);
  return race;
}

}  // namespace sallyport::net
