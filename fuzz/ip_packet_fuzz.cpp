// An IP packet as a peer or a device may hand it over: whatever is read of it lies within it, and what is
// done to it (hop limit, MSS, checksums, ICMP errors, cutting, virtio-net headers) gives packets that are
// valid where it was.
#include "net/fragment.h"
#include "net/icmp_error.h"
#include "net/internet_checksum.h"
#include "net/ip_packet.h"
#include "net/packet_fields.h"
#include "net/segment.h"
#include "net/virtio_net.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <vector>

namespace {

using namespace sallyport;
using namespace sallyport::net;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Valid {
  bool header, upper;
  bool operator==(const Valid&) const = default;
};

Valid valid(Bytes bytes, const IpPacket& packet) {
  return {has_valid_header_checksum(bytes, packet), has_valid_upper_checksum(bytes, packet)};
}

void check_router(Bytes bytes, const IpPacket& packet, std::uint16_t mss) {
  std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  const Valid before = valid(bytes, packet);
  require(decrement_hop_limit(copy) == (packet.hop_limit > 1));
  clamp_mss(copy, packet, mss);
  const auto after = parse_ip(copy);
  require(after && after->total_length == packet.total_length && after->upper_offset == packet.upper_offset);
  require(valid(copy, *after) == before);
  if (const auto payload = udp_payload(bytes, packet)) require(payload->size() + 8 == packet.upper_length());
}

void check_checksum(Bytes bytes, const IpPacket& packet) {
  std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  const bool is_tcp = packet.protocol == protocol::tcp;
  if (packet.fragment || (!is_tcp && packet.protocol != protocol::udp)) {
    require(!complete_checksum(copy, packet));
    require(std::equal(copy.begin(), copy.end(), bytes.begin()));
    return;
  }
  const Bytes addresses =
      packet.version == 4 ? bytes.subspan(ipv4::source, 8) : bytes.subspan(ipv6::source, 32);
  store_be16(copy.data() + packet.upper_offset + (is_tcp ? tcp::checksum : udp::checksum),
             pseudo_header_sum(addresses, packet.protocol, packet.upper_length()));
  require(complete_checksum(copy, packet));
  require(has_valid_upper_checksum(copy, packet));
}

/// What is told to the kernel is what it would tell us; and whatever it tells, we stay within the packet.
void check_virtio(Bytes bytes, const IpPacket& packet, std::uint16_t segment_size, bool partial,
                  const VirtioHeader& any) {
  std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  if (const auto read = packet_after(any, copy)) require(read->bytes.size() == copy.size());
  copy.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(packet.total_length));
  const auto header = virtio_header_of({copy, segment_size, partial});
  if (!header) {
    require(partial || segment_size > 0);
    return;
  }
  require(header->hdr_len <= copy.size());
  const auto read = packet_after(*header, copy);
  require(read && read->segment_size == header->gso_size && read->checksum_partial == partial);
  require(std::equal(copy.begin(), copy.end(), bytes.begin()));
}

void check_fragments(Bytes bytes, const IpPacket& packet, std::size_t max_packet) {
  auto fragmenter = Fragmenter::make(bytes, max_packet);
  if (!fragmenter) return;
  std::vector<std::uint8_t> buffer(max_packet);
  const std::size_t expected = fragmenter->count();
  std::size_t count = 0, at = packet.fragment_offset;
  while (const std::size_t size = fragmenter->next_size()) {
    require(size <= max_packet);
    fragmenter->write_next(buffer.data());
    ++count;
    if (expected == 1) {
      require(size == packet.total_length &&
              std::equal(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size), bytes.begin()));
      continue;
    }
    const Bytes made = Bytes(buffer).first(size);
    const std::size_t header = (made[0] & 0x0fU) * 4;
    const std::uint16_t word = load_be16(made.data() + ipv4::fragment);
    require(internet_sum(made.first(header)) == 0xffff &&
            load_be16(made.data() + ipv4::total_length) == size);
    require((word & ipv4::offset_mask) * std::size_t{8} == at);
    const Bytes piece = made.subspan(header);
    require(std::equal(
        piece.begin(), piece.end(),
        bytes.begin() + static_cast<std::ptrdiff_t>(packet.upper_offset + at - packet.fragment_offset)));
    at += piece.size();
  }
  require(count == expected && (count == 1 || at == packet.fragment_offset + packet.upper_length()));
}

void check_icmp(Bytes bytes, const IpPacket& packet, std::size_t mtu) {
  std::array<std::uint8_t, max_icmp_error> out{};
  const IpAddress from = packet.version == 6 ? IpAddress::v6({0x20, 1}) : IpAddress::v4({192, 0, 2, 1});
  for (const auto error : {IcmpError::packet_too_big, IcmpError::time_exceeded, IcmpError::no_route,
                           IcmpError::address_unreachable, IcmpError::admin_prohibited,
                           IcmpError::port_unreachable, IcmpError::source_policy}) {
    const std::size_t size = write_icmp_error(out, error, bytes, packet, from, mtu);
    const auto told = parse_ip(Bytes(out).first(size));
    require(told && told->total_length == size && told->destination == packet.source);
    require(has_valid_header_checksum(out, *told));
    require(!may_answer(error, out, *told));
    may_answer(error, bytes, packet);
  }
}

void check_segments(Bytes bytes, const IpPacket& packet, std::uint16_t segment_size, bool partial,
                    std::size_t max_packet) {
  std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
  // The device's length field is right, or it is one of the packets that were refused before.
  copy.resize(packet.total_length);
  const Valid before = valid(bytes, packet);
  const bool as_it_is = segment_size == 0 && !partial;
  std::vector<std::uint8_t> buffer(max_packet);
  std::size_t count = 0, total = 0;
  auto segmenter = Segmenter::make({copy, segment_size, partial}, max_packet);
  if (!segmenter) {
    require(std::equal(copy.begin(), copy.end(), bytes.begin()));
    return;
  }
  const std::size_t expected = segmenter->count();
  while (const std::size_t size = segmenter->next_size()) {
    require(size <= max_packet);
    segmenter->write_next(buffer.data());
    const Bytes made = Bytes(buffer).first(size);
    const auto read = parse_ip(made);
    require(read && read->total_length == size && read->upper_offset == packet.upper_offset);
    require(read->source == packet.source && read->source_port == packet.source_port);
    if (!as_it_is) require(has_valid_header_checksum(made, *read));
    if (as_it_is || !partial) require(has_valid_upper_checksum(made, *read) == before.upper);
    ++count;
    total += size;
  }
  require(count == expected && total >= packet.total_length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 4) return 0;
  const Bytes bytes = Bytes(data, size).subspan(4);
  const auto packet = parse_ip(bytes);
  if (!packet) {
    require(!describe(packet.error()).empty());
    return 0;
  }
  require(packet->total_length <= bytes.size() && packet->upper_offset <= packet->total_length);
  require(packet->fragment || packet->fragment_offset == 0);
  const std::uint16_t number = load_be16(data);
  check_router(bytes, *packet, number);
  check_icmp(bytes, *packet, number);
  check_checksum(bytes, *packet);
  const bool partial = (data[2] & 1) != 0;
  const std::size_t max_packet = 40 + data[3] * std::size_t{8};
  check_segments(bytes, *packet, number % 2'048, partial, max_packet);
  check_fragments(bytes, *packet, max_packet);
  check_virtio(bytes, *packet, number % 2'048, partial,
               {.flags = data[2],
                .gso_type = data[3],
                .gso_size = number,
                .csum_start = data[1],
                .csum_offset = data[0]});
  return 0;
}
