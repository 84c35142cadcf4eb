#include "udp_traffic.h"

#include <algorithm>
#include <utility>

namespace sallyport::bench {
namespace {

/// Short enough that a tick's datagrams are a small burst beside any queue on the way.
constexpr Duration tick = 200us;
constexpr Duration settle = 300ms;  // for what is under way when sending stops
constexpr Duration greeting_pause = 200ms;
constexpr std::size_t flood_burst = 40;
// A datagram's first byte says what it is; a greeting's next two, the tunnel.
constexpr std::uint8_t load = 0x5a, greeting = 0xa5, flood_load = 0x11;

std::uint8_t kind_of(const net::DatagramRun& run) {
  return run.bytes.empty() ? std::uint8_t{0} : run.bytes[0];
}

}  // namespace

struct UdpTraffic::End final : net::DatagramReceiver {
  explicit End(UdpTraffic& of) : traffic(of) {}
  void on_datagrams(const net::NetPath&, const net::DatagramRun& run, Time now) override {
    traffic.came_down(run, now);
  }
  UdpTraffic& traffic;
};

UdpTraffic::UdpTraffic(net::EventLoop& loop, UdpTunnels& tunnels, net::UdpSocket& target,
                       const TrafficOptions& options)
    : loop_(loop),
      tunnels_(tunnels),
      target_(target),
      options_(options),
      ways_(tunnels.size()),
      bytes_(std::max<std::size_t>(options.burst, 64) * options.size, load),
      timer_(loop.timers(), [this](Time now) { step(now); }),
      flood_timer_(loop.timers(), [this](Time now) { pour(now); }) {
  for (std::size_t i = 0; i < tunnels.size(); ++i) {
    ends_.push_back(std::make_unique<End>(*this));
    tunnels[i].set_receiver(ends_.back().get());
  }
  target.set_receiver(this);
}

UdpTraffic::~UdpTraffic() {
  target_.set_receiver(nullptr);
  for (std::size_t i = 0; i < tunnels_.size(); ++i) tunnels_[i].set_receiver(nullptr);
}

void UdpTraffic::greet(std::function<void()> done) {
  greeted_ = std::move(done);
  for (std::size_t i = 0; i < tunnels_.size(); ++i) {
    if (ways_[i].remote.port() != 0) continue;
    const std::uint8_t hello[]{greeting, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
    tunnels_[i].send(tunnels_[i].net_path(), {hello, sizeof hello, net::Ecn::not_ect});
  }
  timer_.arm(loop_.timers().now() + greeting_pause);  // one may be lost
}

void UdpTraffic::on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time) {
  switch (kind_of(run)) {
    case greeting:
      run.for_each([&](Bytes hello) {
        const std::size_t index = hello.size() < 3 ? ways_.size() : std::size_t{hello[1]} << 8 | hello[2];
        if (index < ways_.size()) ways_[index] = path;
      });
      break;
    case load:
      if (options_.direction == Direction::up) figures_.received += run.count();
      if (options_.direction == Direction::ping) target_.send(path, run);
      break;
    default:
      break;
  }
}

void UdpTraffic::came_down(const net::DatagramRun& run, Time now) {
  if (options_.direction == Direction::up) return;
  figures_.received += run.count();
  if (options_.direction != Direction::ping || pinged_ == Time{}) return;
  figures_.round_trips.record(now - std::exchange(pinged_, Time{}));
  if (sending_) ping(now);
}

void UdpTraffic::run(double a_second, std::function<void(const TrafficFigures&)> done) {
  rate_ = a_second;
  done_ = std::move(done);
  figures_ = {};
  started_ = loop_.timers().now();
  sending_ = true;
  if (options_.direction == Direction::ping) {
    ping(started_);
    timer_.arm(started_ + options_.length);
  } else {
    step(started_);
  }
}

void UdpTraffic::step(Time now) {
  if (greeted_) {
    if (std::ranges::any_of(ways_, [](const net::NetPath& way) { return way.remote.port() == 0; }))
      return greet(std::move(greeted_));
    return std::exchange(greeted_, nullptr)();
  }
  if (!sending_) {
    const auto done = std::move(done_);
    return done(figures_);
  }
  if (now - started_ >= options_.length) {
    sending_ = false;
    timer_.arm(now + settle);
    return;
  }
  if (options_.direction == Direction::ping) {  // the last one was lost
    pinged_ = {};
    ping(now);
    return timer_.arm(started_ + options_.length);
  }
  send_due(now);
  // One by one where a tick would have less than one: as a sender that paces each does.
  const auto pause = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(1 / rate_));
  timer_.arm(now + (options_.burst == 1 ? std::clamp(pause, Duration(1us), Duration(10ms)) : tick));
}

void UdpTraffic::send_due(Time now) {
  const double due = rate_ * in_seconds(now - started_);
  while (static_cast<double>(figures_.sent) < due)
    send_burst(std::min<std::size_t>(options_.burst, static_cast<std::size_t>(due) - figures_.sent + 1));
}

void UdpTraffic::send_burst(std::size_t count) {
  const std::size_t index = next_++ % used();
  const net::DatagramRun run{Bytes(bytes_).first(count * options_.size), options_.size, net::Ecn::not_ect};
  // What is not taken is lost, as it would be for any sender of UDP.
  if (options_.direction == Direction::down)
    target_.send(ways_[index], run);
  else
    tunnels_[index].send(tunnels_[index].net_path(), run);
  figures_.sent += count;
  offered_ += count;
}

void UdpTraffic::ping(Time now) {
  pinged_ = now;
  send_burst(1);
}

void UdpTraffic::flood() {
  flooding_ = true;
  tunnels_.never_wait();
  pour(loop_.timers().now());
}

void UdpTraffic::pour(Time now) {
  std::vector<std::uint8_t> much(flood_burst * options_.size, flood_load);
  net::DatagramPath& tunnel = tunnels_[tunnels_.size() - 1];
  tunnel.send(tunnel.net_path(), {much, options_.size, net::Ecn::not_ect});
  flood_timer_.arm(now + tick);
}

}  // namespace sallyport::bench
