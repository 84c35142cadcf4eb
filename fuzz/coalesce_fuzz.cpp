// Packets of some flows, most of which follow each other, some of which are odd, through the Coalescer: what
// comes out, cut again, is what went in, and in the order of each flow.
#include "net/coalesce.h"
#include "net/ip_packet.h"
#include "net/packet_fields.h"
#include "net/packets_for_test.h"
#include "net/segment.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace sallyport;
using namespace sallyport::net;

void require(bool condition) {
  if (!condition) std::abort();
}

/// A packet without what may change on the way: the identification of one that cannot be fragmented, and the
/// second zero of ones' complement in a valid checksum.
std::string essence(PacketBytes bytes) {
  const auto packet = parse_ip(bytes);
  if (!packet) return std::string(as_text(bytes));
  const bool upper = has_valid_upper_checksum(bytes, *packet);
  const bool header = has_valid_header_checksum(bytes, *packet);
  if (upper)
    store_be16(bytes.data() + packet->upper_offset + (packet->protocol == protocol::tcp ? 16 : 6), 0);
  if (packet->version == 4) {
    if (packet->dont_fragment) store_be16(bytes.data() + ipv4::identification, 0);
    if (header) store_be16(bytes.data() + ipv4::checksum, 0);
  }
  return std::string(as_text(bytes)) + (upper ? 'u' : '-') + (header ? 'h' : '-');
}

/// The packets that go on the wire, by flow.
class Wire {
 public:
  void add(const Packet& packet) {
    PacketBytes bytes(packet.bytes.begin(), packet.bytes.end());
    const Packet copy{bytes, packet.segment_size, packet.checksum_partial};
    static PacketBytes buffer(65'575);
    const PacketBytes original = bytes;
    const auto cut = for_each_segment(copy, buffer.size(), buffer,
                                      [&](MutableBytes each) { put({each.begin(), each.end()}); });
    if (!cut) put(original);
  }
  bool operator==(const Wire&) const = default;

 private:
  void put(const PacketBytes& bytes) {
    std::string flow;
    if (const auto packet = parse_ip(bytes)) {
      flow = packet->source.to_string() + ' ' + packet->destination.to_string() + ' ' +
             std::to_string(packet->protocol) + ' ' + std::to_string(packet->source_port) + ' ' +
             std::to_string(packet->destination_port) + (packet->has_upper_header() ? "" : " fragment");
    }
    flows_[flow].push_back(essence(bytes));
  }
  std::map<std::string, std::vector<std::string>> flows_;
};

enum Action : std::uint8_t {
  shorter = 1,
  flags = 2,
  changed = 4,
  flush = 8,
  partial = 16,
  super = 32,
  jump = 64,
  raw = 128,
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Wire sent, received;
  Coalescer coalescer([&received](const Packet& packet) {
    require(packet.segment_size == 0 || packet.bytes.size() <= 65'535);
    received.add(packet);
  });
  std::array<MadePacket, 32> flows;
  for (std::size_t i = 0; i < flows.size(); ++i) {
    flows[i].is_v6 = (i & 1) != 0;
    flows[i].is_udp = (i & 2) != 0;
    flows[i].dont_fragment = (i & 4) != 0;
    flows[i].source_port = static_cast<std::uint16_t>(i / 2);
    if ((i & 8) != 0 && !flows[i].is_udp) flows[i].options = {1, 1, 1, 1};
  }
  // Flow, action, two arguments; and for raw bytes as many as the first says.
  for (Bytes script(data, size); script.size() >= 4;) {
    MadePacket& flow = flows[script[0] % flows.size()];
    const std::uint8_t action = script[1];
    const std::uint8_t first = script[2], second = script[3];
    script = script.subspan(4);
    flow.payload = some_payload((action & shorter) != 0 ? first : 64, second);
    if ((action & flags) != 0) flow.flags = first;
    if ((action & jump) != 0) flow.sequence += second;
    PacketBytes bytes = flow.make();
    if ((action & raw) != 0) {
      const std::size_t count = std::min<std::size_t>(first, script.size());
      bytes.assign(script.begin(), script.begin() + static_cast<std::ptrdiff_t>(count));
      script = script.subspan(count);
    } else {
      flow.sequence += static_cast<std::uint32_t>(flow.payload.size());
      ++flow.identification;
      flow.flags = 0x10;
      if ((action & partial) != 0) make_checksum_partial(bytes);
      if ((action & changed) != 0) bytes[first % bytes.size()] ^= second;
    }
    const auto parsed = parse_ip(bytes);
    if (parsed) bytes.resize(parsed->total_length);
    const Packet packet{bytes, static_cast<std::uint16_t>((action & super) != 0 ? 1 + first : 0),
                        (action & partial) != 0};
    sent.add(packet);
    coalescer.add(packet);
    std::ranges::fill(bytes, std::uint8_t{0xdd});
    if ((action & flush) != 0) coalescer.flush();
  }
  coalescer.flush();
  require(sent == received);
  return 0;
}
