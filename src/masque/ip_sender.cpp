#include "masque/ip_sender.h"

#include "net/fragment.h"
#include "net/segment.h"

#include <algorithm>
#include <array>

namespace sallyport::masque {
namespace {

constexpr std::array<std::uint8_t, 1> context_of_packets{0};

}  // namespace

std::size_t IpSender::mtu(const http::Exchange& exchange) {
  const std::size_t most = exchange.max_datagram_payload();
  return most < context_of_packets.size() ? 0 : std::min(longest_packet, most - context_of_packets.size());
}

IpSent IpSender::failed(IpSent how) {
  ++(how == IpSent::blocked     ? counters_.dropped_queue
     : how == IpSent::too_large ? counters_.dropped_size
                                : counters_.dropped_invalid);
  return how;
}

IpSent IpSender::send_one(http::Exchange& exchange, Bytes packet, std::size_t mtu) {
  if (packet.size() > mtu) {
    auto fragments = net::Fragmenter::make(packet, mtu);
    if (!fragments)
      return failed(fragments.error() == net::FragmentError::malformed ? IpSent::invalid : IpSent::too_large);
    static thread_local std::array<std::uint8_t, longest_packet> buffer;
    while (const std::size_t size = fragments->next_size()) {
      fragments->write_next(buffer.data());
      // Without one of its fragments the rest is of no use.
      const IpSent sent = send_one(exchange, Bytes(buffer).first(size), longest_packet);
      if (sent != IpSent::sent) return sent;
    }
    return IpSent::sent;
  }
  if (!exchange.send_datagram(context_of_packets, packet)) return failed(IpSent::blocked);
  ++counters_.packets;
  counters_.bytes += packet.size();
  return IpSent::sent;
}

IpSent IpSender::send_segments(http::Exchange& exchange, const net::Packet& packet, bool may_fragment) {
  const std::size_t largest = mtu(exchange);
  auto segments = net::Segmenter::make(packet, largest);
  // Datagrams cannot be made shorter.
  if (!segments && segments.error() == net::SegmentError::too_large && may_fragment)
    segments = net::Segmenter::make(packet, longest_packet);
  if (!segments)
    return failed(segments.error() == net::SegmentError::malformed ? IpSent::invalid : IpSent::too_large);
  static thread_local std::array<std::uint8_t, longest_packet> buffer;
  while (const std::size_t size = segments->next_size()) {
    segments->write_next(buffer.data());
    const IpSent sent = send_one(exchange, Bytes(buffer).first(size), largest);
    if (sent == IpSent::sent) continue;
    // The queue stays full for the rest of them; what is too large, all of them are.
    for (; sent == IpSent::blocked && segments->next_size() > 0; segments->write_next(buffer.data()))
      ++counters_.dropped_queue;
    return sent;
  }
  return IpSent::sent;
}

IpSent IpSender::send(http::Exchange& exchange, const net::Packet& packet, const net::IpPacket& parsed) {
  if (packet.segment_size != 0)
    return send_segments(exchange, packet, parsed.version == 4 && !parsed.dont_fragment);
  const MutableBytes bytes = packet.bytes.first(parsed.total_length);
  const std::size_t largest = mtu(exchange);
  // The connection is asked all the same: its path may carry more than it thought, and it looks again where
  // QUIC inside the packet needs that size.
  if (bytes.size() > largest && parsed.dont_fragment) {
    if (packet.checksum_partial || !exchange.send_datagram(context_of_packets, bytes))
      return failed(IpSent::too_large);
    ++counters_.packets;
    counters_.bytes += bytes.size();
    return IpSent::sent;
  }
  if (packet.checksum_partial && !net::complete_checksum(bytes, parsed)) return failed(IpSent::invalid);
  return send_one(exchange, bytes, largest);
}

}  // namespace sallyport::masque
