// How many UDP datagrams a second one CONNECT-UDP hop carries towards its target before 1% of them are lost.
// Sends at a rate through the hop to a socket of its own, and searches for the highest rate that gets
// through. Prints one line of JSON.

#include "cli/client_options.h"
#include "dial/direct_dialer.h"
#include "dial/link.h"
#include "masque/udp_tunnel.h"
#include "net/udp_socket.h"

#include <cstring>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport {
namespace {

/// Short enough that a tick's datagrams are a small burst beside any queue on the way.
constexpr Duration tick = 200us;
constexpr Duration settle = 300ms;  // for what is under way when sending stops
constexpr double allowed_loss = 0.01;

/// Where the datagrams should arrive.
struct Sink final : net::DatagramReceiver {
  void on_datagrams(const net::NetPath&, const net::DatagramRun& run, Time) override {
    received += run.count();
  }
  std::uint64_t received = 0;
};

class Uplink final : public net::DatagramReceiver {
 public:
  Uplink(net::EventLoop& loop, net::DatagramPath& path, Sink& sink, std::size_t size, Duration length)
      : loop_(loop),
        path_(path),
        sink_(sink),
        size_(size),
        length_(length),
        timer_(loop.timers(), [this](Time now) { step(now); }) {
    path_.set_receiver(this);
    burst_.assign(64 * size, 0x5a);
  }

  void try_rate(double a_second, std::function<void(double loss)> done) {
    rate_ = a_second;
    done_ = std::move(done);
    sent_ = 0;
    sink_.received = 0;
    started_ = loop_.timers().now();
    sending_ = true;
    step(started_);
  }

  void on_datagrams(const net::NetPath&, const net::DatagramRun&, Time) override {}

  /// Datagrams sent in all trials so far.
  std::uint64_t offered() const { return offered_; }

 private:
  void step(Time now) {
    if (!sending_) return done_(1 - static_cast<double>(sink_.received) / static_cast<double>(sent_));
    if (now - started_ >= length_) {
      sending_ = false;
      timer_.arm(now + settle);
      return;
    }
    const double due = rate_ * in_seconds(now - started_);
    while (static_cast<double>(sent_) < due) {
      const std::size_t count = std::min<std::size_t>(64, static_cast<std::size_t>(due) - sent_ + 1);
      // What the tunnel does not take is lost, as it would be for any sender of UDP.
      path_.send(path_.net_path(), {Bytes(burst_).first(count * size_), size_, net::Ecn::not_ect});
      sent_ += count;
      offered_ += count;
    }
    timer_.arm(now + tick);
  }

  net::EventLoop& loop_;
  net::DatagramPath& path_;
  Sink& sink_;
  std::size_t size_;
  Duration length_;
  net::Timer timer_;
  std::vector<std::uint8_t> burst_;
  std::function<void(double)> done_;
  double rate_ = 0;
  std::uint64_t sent_ = 0, offered_ = 0;
  Time started_{};
  bool sending_ = false;
};

/// Doubles the rate until too much is lost, then halves the gap six times.
class Search {
 public:
  Search(net::EventLoop& loop, Uplink& uplink, double first) : loop_(loop), uplink_(uplink), rate_(first) {}

  void start() {
    uplink_.try_rate(rate_, [this](double loss) { judge(loss); });
  }
  double best() const { return good_; }

 private:
  void judge(double loss) {
    if (loss < allowed_loss) {
      good_ = rate_;
      rate_ = bad_ ? (good_ + *bad_) / 2 : rate_ * 2;
    } else {
      bad_ = rate_;
      rate_ = (good_ + *bad_) / 2;
    }
    if (bad_ && ++narrowed_ > 6) return loop_.stop();
    start();
  }

  net::EventLoop& loop_;
  Uplink& uplink_;
  double rate_, good_ = 0;
  std::optional<double> bad_;
  int narrowed_ = 0;
};

int run(int argc, char** argv) {
  cli::ClientFlags flags;
  std::size_t size = 1200;
  double seconds = 1;
  CLI::App app("Highest rate of UDP datagrams through a CONNECT-UDP hop under 1% loss");
  app.add_option("--size", size, "Bytes of each datagram");
  app.add_option("--seconds", seconds, "Length of each trial");
  cli::add_client_flags(app, flags);
  CLI11_PARSE(app, argc, argv);
  flags.no_cache = true;

  auto session = cli::ClientSession::make(flags);
  if (!session || (*session)->chain().hops.size() != 1) {
    fmt::print(stderr, "udp_uplink: {}\n", session ? "one --via is wanted" : session.error().message);
    return 2;
  }
  net::EventLoop& loop = (*session)->loop();
  Sink sink;
  auto target = net::UdpSocket::bind(loop, *net::SocketAddress::parse("127.0.0.1:0"), {});
  if (!target) {
    fmt::print(stderr, "udp_uplink: {}\n", target.error().message);
    return 1;
  }
  (*target)->set_receiver(&sink);

  const masque::ProxyTemplate& hop = (*session)->chain().hops[0];
  std::unique_ptr<masque::UdpTunnel> tunnel;
  std::optional<Uplink> uplink;
  std::optional<Search> search;
  int status = 0;
  const auto stop_with = [&](const Error& why) {
    fmt::print(stderr, "udp_uplink: {}\n", why.message);
    status = 1;
    loop.stop();
  };
  dial::DirectDialer dialer((*session)->context());
  std::unique_ptr<dial::Link> link;
  dial::LinkEvents events;
  events.failed = stop_with;
  events.ready = [&] {
    masque::TunnelEvents tunnel_events;
    tunnel_events.closed = stop_with;
    tunnel_events.opened = [&](const std::string&) {
      // Path MTU discovery of a moment ago decides whether 1,200 bytes fit.
      uplink.emplace(loop, *tunnel, sink, size,
                     std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)));
      search.emplace(loop, *uplink, 2000);
      loop.post([&] { search->start(); });
    };
    tunnel = std::make_unique<masque::UdpTunnel>(
        link->connection(), hop, masque::Target{"127.0.0.1", (*target)->net_path().local.port()},
        http::Fields{}, std::move(tunnel_events));
  };
  link = std::make_unique<dial::Link>(
      (*session)->context(), dialer, dial::Peer{hop.host(), hop.port(), "hop 1"},
      dial::LinkOptions{.http = (*session)->chain().hop_http, .mode = dial::TunnelMode::udp},
      std::move(events));
  loop.post([&] { link->start(); });
  loop.run();
  if (status == 0)
    fmt::print("{{\"datagrams_per_s\": {:.0f}, \"mbps\": {:.1f}, \"bytes_sent\": {}}}\n", search->best(),
               search->best() * static_cast<double>(size) * 8 / 1e6, uplink->offered() * size);
  tunnel.reset();
  return status;
}

}  // namespace
}  // namespace sallyport

int main(int argc, char** argv) {
  return sallyport::run(argc, argv);
}
