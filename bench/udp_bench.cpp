// UDP datagrams through CONNECT-UDP tunnels of one hop: at a rate, or at the highest rate of which less than
// 1% are lost, or one at a time there and back. Prints one line of JSON.

#include "cli/client_options.h"
#include "udp_traffic.h"
#include "udp_tunnels.h"

#include <algorithm>
#include <map>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace sallyport::bench {
namespace {

constexpr double allowed_loss = 0.01;

/// Doubles the rate until too much is lost, then halves the gap six times.
class Search {
 public:
  Search(UdpTraffic& traffic, std::function<void()> done) : traffic_(traffic), done_(std::move(done)) {}

  void start() {
    traffic_.run(rate_, [this](const TrafficFigures& figures) { judge(figures.loss()); });
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
    if (bad_ && ++narrowed_ > 6) return done_();
    start();
  }

  UdpTraffic& traffic_;
  const std::function<void()> done_;
  double rate_ = 2000, good_ = 0;
  std::optional<double> bad_;
  int narrowed_ = 0;
};

class Run {
 public:
  struct Options {
    TrafficOptions traffic;
    UdpTunnels::Options tunnels;
    double rate = 0;  ///< 0: the search
    bool flood = false;
  };

  Run(cli::ClientSession& session, net::UdpSocket& target, const Options& options)
      : loop_(session.loop()),
        target_(target),
        options_(options),
        tunnels_(
            session, options.tunnels, [this] { begin(); }, [this](const Error& why) { fail_with(why); }) {
    loop_.post([this] { tunnels_.start(); });
  }
  int status() const { return status_; }

 private:
  void begin() {
    traffic_.emplace(loop_, tunnels_, target_, options_.traffic);
    traffic_->greet([this] {
      if (options_.flood) traffic_->flood();
      if (options_.rate == 0 && options_.traffic.direction != Direction::ping) {
        search_.emplace(*traffic_, [this] { report(search_->best(), {}); });
        return search_->start();
      }
      traffic_->run(options_.rate, [this](const TrafficFigures& figures) { report(options_.rate, figures); });
    });
  }

  void report(double rate, const TrafficFigures& figures) {
    const auto microseconds = [](Duration duration) { return in_seconds(duration) * 1e6; };
    const auto size = static_cast<double>(options_.traffic.size);
    fmt::print(
        "{{\"datagrams_per_s\": {:.0f}, \"mbps\": {:.1f}, \"bytes_sent\": {:.0f}, \"sent\": {}, "
        "\"received\": {}, "
        "\"loss\": {:.4f}, \"p50_us\": {:.0f}, \"p99_us\": {:.0f}}}\n",
        rate, rate * size * 8 / 1e6, static_cast<double>(traffic_->offered()) * size, figures.sent,
        figures.received, figures.sent == 0 ? 0 : figures.loss(),
        microseconds(figures.round_trips.quantile(0.5)), microseconds(figures.round_trips.quantile(0.99)));
    loop_.stop();
  }

  void fail_with(const Error& why) {
    fmt::print(stderr, "udp_bench: {}\n", why.message);
    status_ = 1;
    loop_.stop();
  }

  net::EventLoop& loop_;
  net::UdpSocket& target_;
  const Options options_;
  UdpTunnels tunnels_;
  std::optional<UdpTraffic> traffic_;
  std::optional<Search> search_;
  int status_ = 0;
};

int run(int argc, char** argv) {
  cli::ClientFlags flags;
  Run::Options options;
  double seconds = 1;
  std::uint16_t port = 0;
  CLI::App app("UDP datagrams through CONNECT-UDP tunnels of a hop");
  const std::map<std::string, Direction> directions{
      {"up", Direction::up}, {"down", Direction::down}, {"ping", Direction::ping}};
  app.add_option("--direction", options.traffic.direction, "up, down or ping")
      ->transform(CLI::CheckedTransformer(directions));
  app.add_option("--connections", options.tunnels.connections, "To the hop")->check(CLI::Range(1, 10'000));
  app.add_option("--tunnels", options.tunnels.tunnels, "In all")->check(CLI::Range(1, 10'000));
  app.add_option("--size", options.traffic.size, "Bytes of each datagram")->check(CLI::Range(3, 1400));
  app.add_option("--burst", options.traffic.burst, "Datagrams in one send")->check(CLI::Range(1, 64));
  app.add_option("--rate", options.rate, "Datagrams a second; without it the highest under 1% loss");
  app.add_option("--seconds", seconds, "Length of each trial");
  app.add_option("--relay", options.tunnels.relay_port,
                 "Through a udp_relay at this port of 127.0.0.1 in place of a hop");
  app.add_option("--target-port", port,
                 "Of this program's own socket, which the datagrams go to; by itself any");
  app.add_flag("--flood", options.flood, "Keep one more tunnel, on the same connection, full");
  cli::add_client_flags(app, flags);
  CLI11_PARSE(app, argc, argv);
  flags.no_cache = true;
  options.traffic.length = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
  options.tunnels.tunnels = std::max(options.tunnels.tunnels, options.tunnels.connections);
  if (options.flood) ++options.tunnels.tunnels;

  auto session = cli::ClientSession::make(flags);
  const std::size_t hops = options.tunnels.relay_port == 0 ? 1 : 0;
  if (!session || (*session)->chain().hops.size() != hops) {
    fmt::print(stderr, "udp_bench: {}\n",
               session ? "one --via is wanted, or --relay" : session.error().message);
    return 2;
  }
  auto target = net::UdpSocket::bind((*session)->loop(),
                                     net::SocketAddress(*net::IpAddress::parse("127.0.0.1"), port), {});
  if (!target) {
    fmt::print(stderr, "udp_bench: {}\n", target.error().message);
    return 1;
  }
  options.tunnels.target_port = (*target)->net_path().local.port();
  Run made(**session, **target, options);
  (*session)->loop().run();
  return made.status();
}

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) {
  return sallyport::bench::run(argc, argv);
}
