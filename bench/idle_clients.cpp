// Opens idle connections to a gateway (of HTTP/3, or of what --via-http says), or idle CONNECT-UDP tunnels on
// connections of a hundred each, or CONNECT-IP tunnels on a connection each, says "ready" and holds them
// until its standard input ends; the benchmark looks at the gateway's memory meanwhile.

#include "cli/client_options.h"
#include "dial/direct_dialer.h"
#include "dial/link.h"
#include "masque/ip_tunnel.h"
#include "masque/udp_tunnel.h"

#include <cstdio>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

namespace sallyport {
namespace {

constexpr std::size_t tunnels_a_connection = 100;
constexpr std::size_t opening_at_once = 32;

struct Wanted {
  std::size_t connections = 0, tunnels = 0, ip_tunnels = 0;
};

class Holder {
 public:
  /// `ip_proxy`: of CONNECT-IP tunnels.
  Holder(cli::ClientSession& session, const Wanted& wanted, masque::ProxyTemplate ip_proxy,
         std::uint16_t target_port)
      : session_(session),
        hop_(session.chain().hops[0]),
        ip_proxy_(std::move(ip_proxy)),
        target_port_(target_port) {
    tunnels_wanted_ = wanted.tunnels + wanted.ip_tunnels;
    if (wanted.tunnels > 0)
      connections_wanted_ = (wanted.tunnels + tunnels_a_connection - 1) / tunnels_a_connection;
    else
      connections_wanted_ = wanted.ip_tunnels > 0 ? wanted.ip_tunnels : wanted.connections;
    over_ip_ = wanted.ip_tunnels > 0;
  }

  void start() {
    for (std::size_t i = 0; i < opening_at_once; ++i) open_next();
  }
  int status() const { return status_; }

 private:
  void open_next() {
    if (links_.size() == connections_wanted_) return;
    dial::LinkEvents events;
    const std::size_t index = links_.size();
    events.failed = [this](const Error& why) { fail_with(why); };
    events.ready = [this, index] { ready(index); };
    links_.push_back(std::make_unique<dial::Link>(
        session_.context(), dialer_, dial::Peer{hop_.host(), hop_.port(), "gateway"},
        dial::LinkOptions{.http = session_.chain().hop_http, .mode = dial::TunnelMode::udp},
        std::move(events)));
    links_.back()->start();
  }

  void ready(std::size_t index) {
    ++ready_;
    if (over_ip_) {
      open_ip(index);
      return open_next();
    }
    for (std::size_t i = 0; i < tunnels_a_connection && tunnels_.size() < tunnels_wanted_; ++i) {
      masque::TunnelEvents events;
      events.closed = [this](const Error& why) { fail_with(why); };
      events.opened = [this](const std::string&) {
        ++opened_;
        report();
      };
      tunnels_.push_back(std::make_unique<masque::UdpTunnel>(links_[index]->connection(), hop_,
                                                             masque::Target{"127.0.0.1", target_port_},
                                                             http::Fields{}, std::move(events)));
    }
    report();
    open_next();
  }

  void open_ip(std::size_t index) {
    masque::IpTunnelEvents events;
    events.closed = [this](const Error& why) { fail_with(why); };
    // As `sallyport tun` has it: open, with addresses and routes.
    events.routes = [this](const auto&) {
      ++opened_;
      report();
    };
    auto tunnel = masque::IpTunnel::open(links_[index]->connection(), ip_proxy_, {}, {}, std::move(events));
    if (!tunnel) return fail_with(tunnel.error());
    ip_tunnels_.push_back(std::move(*tunnel));
  }

  void report() {
    if (ready_ == connections_wanted_ && opened_ == tunnels_wanted_) {
      std::puts("ready");
      std::fflush(stdout);
    }
  }

  void fail_with(const Error& why) {
    fmt::print(stderr, "idle_clients: {}\n", why.message);
    status_ = 1;
    session_.loop().stop();
  }

  cli::ClientSession& session_;
  const masque::ProxyTemplate& hop_;
  const masque::ProxyTemplate ip_proxy_;
  std::uint16_t target_port_;
  std::size_t connections_wanted_ = 0, tunnels_wanted_ = 0, ready_ = 0, opened_ = 0;
  int status_ = 0;
  bool over_ip_ = false;
  dial::DirectDialer dialer_{session_.context()};
  std::vector<std::unique_ptr<dial::Link>> links_;
  std::vector<std::unique_ptr<masque::UdpTunnel>> tunnels_;  // destroyed before the links under them
  std::vector<std::unique_ptr<masque::IpTunnel>> ip_tunnels_;
};

int run(int argc, char** argv) {
  cli::ClientFlags flags;
  Wanted wanted;
  std::uint16_t target = 9;
  CLI::App app("Holds idle connections or tunnels");
  app.add_option("--connections", wanted.connections);
  app.add_option("--tunnels", wanted.tunnels);
  app.add_option("--ip-tunnels", wanted.ip_tunnels);
  app.add_option("--target-port", target);
  cli::add_client_flags(app, flags);
  CLI11_PARSE(app, argc, argv);
  flags.no_cache = true;
  auto session = cli::ClientSession::make(flags);
  if (!session || (*session)->chain().hops.size() != 1) {
    fmt::print(stderr, "idle_clients: {}\n", session ? "one --via is wanted" : session.error().message);
    return 2;
  }
  auto ip_proxy = cli::hop_of(flags.via.back(), masque::Protocol::ip);
  if (!ip_proxy) {
    fmt::print(stderr, "idle_clients: {}\n", ip_proxy.error().message);
    return 2;
  }
  net::EventLoop& loop = (*session)->loop();
  Holder holder(**session, wanted, std::move(*ip_proxy), target);
  std::thread watch([&loop] {
    char byte;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    loop.stop();
  });
  loop.post([&] { holder.start(); });
  loop.run();
  if (holder.status() != 0) std::_Exit(holder.status());  // the watcher still reads
  watch.join();
  return 0;
}

}  // namespace
}  // namespace sallyport

int main(int argc, char** argv) {
  return sallyport::run(argc, argv);
}
