#include "gateway/addresses.h"

#include "net/listen_address.h"
#include "net/tcp.h"
#include "net/udp_socket.h"

#include <memory>

namespace sallyport::gateway {
namespace {

/// A port that is free for UDP may be taken for TCP; one of these many is free for both, or none will be.
constexpr int attempts = 32;

struct Claim {
  std::unique_ptr<net::UdpSocket> udp;
  std::unique_ptr<net::TcpListener> tcp;
  net::SocketAddress address;
};

Result<Claim> claim_one(net::EventLoop& loop, const net::SocketAddress& wanted, const WantedPorts& how) {
  Error why;
  for (int attempt = 0; attempt < (wanted.port() == 0 ? attempts : 1); ++attempt) {
    Claim claim;
    claim.address = wanted;
    // Without SO_REUSEPORT: with it, another program of this user could share the port unnoticed.
    if (how.udp) {
      auto udp = net::UdpSocket::bind(loop, wanted,
                                      {.receive_buffer = 0, .send_buffer = 0, .warn_small_buffers = false});
      if (!udp) return std::unexpected(net::explain_bind(how.flag, wanted, "UDP", udp.error()));
      claim.udp = std::move(*udp);
      claim.address.set_port(claim.udp->net_path().local.port());
    }
    if (!how.tcp) return claim;
    auto listener =
        net::TcpListener::listen(loop, claim.address, {}, [](std::unique_ptr<net::ByteStream>) {});
    if (listener) {
      claim.tcp = std::move(*listener);
      claim.address.set_port(claim.tcp->local().port());
      return claim;
    }
    why = net::explain_bind(how.flag, claim.address, "TCP", listener.error());
  }
  return std::unexpected(std::move(why));
}

}  // namespace

Result<std::vector<net::SocketAddress>> claim_ports(net::EventLoop& loop,
                                                    const std::vector<WantedPorts>& wanted) {
  // Held until all are found, so no two are the same.
  std::vector<Claim> claims;
  std::vector<net::SocketAddress> out;
  for (const WantedPorts& each : wanted)
    for (const net::SocketAddress& address : each.addresses) {
      auto claim = claim_one(loop, address, each);
      if (!claim) return std::unexpected(std::move(claim.error()));
      out.push_back(claim->address);
      claims.push_back(std::move(*claim));
    }
  return out;
}

}  // namespace sallyport::gateway
