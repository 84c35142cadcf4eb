#include "udp_tunnels.h"

#include <utility>

namespace sallyport::bench {

UdpTunnels::UdpTunnels(cli::ClientSession& session, const Options& options, std::function<void()> ready,
                       std::function<void(const Error&)> failed)
    : session_(session),
      options_(options),
      ready_(std::move(ready)),
      failed_(std::move(failed)),
      dialer_(session.context()) {}

void UdpTunnels::start() {
  if (options_.relay_port != 0) return open_sockets();
  constexpr std::size_t opening_at_once = 16;
  for (std::size_t i = 0; i < opening_at_once; ++i) open_next();
}

void UdpTunnels::open_sockets() {
  const net::SocketAddress relay(*net::IpAddress::parse("127.0.0.1"), options_.relay_port);
  while (paths_.size() < options_.tunnels) {
    auto socket = net::UdpSocket::connect(session_.loop(), relay, {});
    if (!socket) return failed_(socket.error());
    paths_.push_back(std::move(*socket));
  }
  ready_();
}

void UdpTunnels::never_wait() {
  for (masque::UdpTunnel* const tunnel : tunnels_) tunnel->set_when_full(http::WhenFull::drop);
}

void UdpTunnels::open_next() {
  if (links_.size() == options_.connections) return;
  const masque::ProxyTemplate& hop = session_.chain().hops[0];
  dial::LinkEvents events;
  events.failed = failed_;
  events.ready = [this, index = links_.size()] {
    open_tunnels(index);
    open_next();
  };
  links_.push_back(std::make_unique<dial::Link>(
      session_.context(), dialer_, dial::Peer{hop.host(), hop.port(), "hop 1"},
      dial::LinkOptions{.http = session_.chain().hop_http, .mode = dial::TunnelMode::udp},
      std::move(events)));
  links_.back()->start();
}

void UdpTunnels::open_tunnels(std::size_t link) {
  // Evenly: tunnel i is on connection i % connections.
  for (std::size_t i = link; i < options_.tunnels; i += options_.connections) {
    masque::TunnelEvents events;
    events.closed = failed_;
    events.opened = [this](const std::string&) {
      // Path MTU discovery of a moment ago decides whether 1,200 bytes fit.
      if (++opened_ == options_.tunnels) session_.loop().post(ready_);
    };
    auto tunnel = std::make_unique<masque::UdpTunnel>(links_[link]->connection(), session_.chain().hops[0],
                                                      masque::Target{"127.0.0.1", options_.target_port},
                                                      http::Fields{}, std::move(events));
    tunnels_.push_back(tunnel.get());
    paths_.push_back(std::move(tunnel));
  }
}

}  // namespace sallyport::bench
