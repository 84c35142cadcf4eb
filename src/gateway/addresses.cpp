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

Result<Claim> claim_one(net::EventLoop& loop, const net::SocketAddress& wanted, bool tcp) {
  Error why;
  for (int attempt = 0; attempt < (wanted.port() == 0 ? attempts : 1); ++attempt) {
    Claim claim;
    // Without SO_REUSEPORT: with it, another program of this user could share the port unnoticed.
    auto udp = net::UdpSocket::bind(loop, wanted,
                                    {.receive_buffer = 0, .send_buffer = 0, .warn_small_buffers = false});
    if (!udp) return std::unexpected(net::explain_bind("--listen", wanted, "UDP", udp.error()));
    claim.udp = std::move(*udp);
    claim.address = wanted;
    claim.address.set_port(claim.udp->net_path().local.port());
    if (!tcp) return claim;
    auto listener =
        net::TcpListener::listen(loop, claim.address, {}, [](std::unique_ptr<net::ByteStream>) {});
    if (listener) {
      claim.tcp = std::move(*listener);
      return claim;
    }
    why = net::explain_bind("--listen", claim.address, "TCP", listener.error());
  }
  return std::unexpected(std::move(why));
}

}  // namespace

Result<std::vector<net::SocketAddress>> claim_ports(net::EventLoop& loop,
                                                    const std::vector<net::SocketAddress>& wanted, bool tcp) {
  // Held until all are found, so no two are the same.
  std::vector<Claim> claims;
  std::vector<net::SocketAddress> out;
  for (const auto& address : wanted) {
    auto claim = claim_one(loop, address, tcp);
    if (!claim) return std::unexpected(std::move(claim.error()));
    out.push_back(claim->address);
    claims.push_back(std::move(*claim));
  }
  return out;
}

}  // namespace sallyport::gateway
