#include "dial/tunnel_cost.h"

#include <algorithm>

namespace sallyport::dial {
namespace {

/// Of the tunnels on a link, in one direction.
struct Inside {
  std::uint64_t datagrams = 0, heads = 0, headers = 0;
};

/// `packets`: bytes of the packets that carried `datagrams` frames with `payloads` bytes in them.
TunnelCost cost(std::uint64_t packets, std::uint64_t datagrams, std::uint64_t payloads,
                const Inside& inside) {
  if (datagrams == 0 || inside.datagrams == 0) return {};
  const auto each = [](std::uint64_t bytes, std::uint64_t count) {
    return static_cast<double>(bytes) / static_cast<double>(count);
  };
  return {.datagrams = datagrams,
          .quic = each(packets - payloads, datagrams),
          .http = each(inside.heads - inside.headers, inside.datagrams),
          .ip = each(inside.headers, inside.datagrams)};
}

}  // namespace

void add_inside(LinkFigures& link, std::span<const LinkFigures> inside) {
  Inside sent, received;
  std::size_t headers = 0;
  for (const LinkFigures& one : inside) {
    sent.datagrams += one.tunnel.datagrams_out;
    sent.heads += one.tunnel.heads_out;
    sent.headers += one.tunnel.headers_out;
    received.datagrams += one.tunnel.datagrams_in;
    received.heads += one.tunnel.heads_in;
    received.headers += one.tunnel.headers_in;
    headers = std::max(headers, one.tunnel_headers);
  }
  link.path_budget -= std::min(link.path_budget, headers);
  const quic::Stats& quic = link.quic;
  link.cost_sent =
      cost(quic.datagram_packets_sent_bytes, quic.datagrams_sent, quic.datagram_bytes_sent, sent);
  link.cost_received = cost(quic.datagram_packets_received_bytes, quic.datagrams_received,
                            quic.datagram_bytes_received, received);
}

}  // namespace sallyport::dial
