// Opens idle connections to a gateway (of HTTP/3, or of what --via-http says), or idle CONNECT-UDP tunnels on
// connections of a hundred each, says "ready" and holds them until its standard input ends; the benchmark
// looks at the gateway's memory meanwhile.

#include "cli/client_options.h"
#include "dial/direct_dialer.h"
#include "dial/link.h"
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

class Holder {
 public:
  Holder(cli::ClientSession& session, std::size_t connections, std::size_t tunnels, std::uint16_t target_port)
      : session_(session), hop_(session.chain().hops[0]), target_port_(target_port) {
    tunnels_wanted_ = tunnels;
    connections_wanted_ = tunnels ? (tunnels + tunnels_a_connection - 1) / tunnels_a_connection : connections;
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
  std::uint16_t target_port_;
  std::size_t connections_wanted_ = 0, tunnels_wanted_ = 0, ready_ = 0, opened_ = 0;
  int status_ = 0;
  dial::DirectDialer dialer_{session_.context()};
  std::vector<std::unique_ptr<dial::Link>> links_;
  std::vector<std::unique_ptr<masque::UdpTunnel>> tunnels_;  // destroyed before the links under them
};

int run(int argc, char** argv) {
  cli::ClientFlags flags;
  std::size_t connections = 0, tunnels = 0;
  std::uint16_t target = 9;
  CLI::App app("Holds idle connections or tunnels");
  app.add_option("--connections", connections);
  app.add_option("--tunnels", tunnels);
  app.add_option("--target-port", target);
  cli::add_client_flags(app, flags);
  CLI11_PARSE(app, argc, argv);
  flags.no_cache = true;
  auto session = cli::ClientSession::make(flags);
  if (!session || (*session)->chain().hops.size() != 1) {
    fmt::print(stderr, "idle_clients: {}\n", session ? "one --via is wanted" : session.error().message);
    return 2;
  }
  net::EventLoop& loop = (*session)->loop();
  Holder holder(**session, connections, tunnels, target);
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
