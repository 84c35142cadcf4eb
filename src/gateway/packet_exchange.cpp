#include "gateway/packet_exchange.h"

#include <array>
#include <cstring>

namespace sallyport::gateway {
namespace {

// Of super-packets, 32 at least: what one read of a TUN queue gives, and some more.
// An IPv6 header, and as much as it can say is behind it.
constexpr std::size_t longest = 40 + 65'535;
constexpr std::size_t ring_bytes = 4 * 1024 * 1024;
// Packets that one call of receive() hands over: others wait for the worker's turn, too.
constexpr std::size_t most_a_turn = 256;

/// Before the packet in each record.
struct Head {
  std::uint16_t segment_size = 0;
  bool checksum_partial = false;
};

}  // namespace

PacketExchange::PacketExchange(unsigned workers) : rings_(workers, ring_bytes) {}

void PacketExchange::send(unsigned from, unsigned to, const net::Packet& packet) {
  if (packet.bytes.size() > longest) return;
  const Head head{packet.segment_size, packet.checksum_partial};
  rings_.send(from, to, {reinterpret_cast<const std::uint8_t*>(&head), sizeof head}, packet.bytes);
}

void PacketExchange::receive(unsigned to, const std::function<void(net::Packet&)>& visit) {
  static thread_local std::array<std::uint8_t, longest> buffer;
  rings_.receive(to, most_a_turn, [&visit](Bytes record) {
    Head head;
    std::memcpy(&head, record.data(), sizeof head);
    const Bytes bytes = record.subspan(sizeof head);
    if (bytes.size() > buffer.size()) return;  // send() passes none on
    copy_bytes(bytes, buffer.data());
    net::Packet packet{.bytes = MutableBytes(buffer).first(bytes.size()),
                       .segment_size = head.segment_size,
                       .checksum_partial = head.checksum_partial};
    visit(packet);
  });
}

}  // namespace sallyport::gateway
