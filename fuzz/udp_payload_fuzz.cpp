// A packet as a TUN device may hand it over, for the flows of `sallyport tun --mode udp`: the payload that is
// found lies within it, and behind headers of our own it is the same datagram again.
#include "client/udp_payload.h"
#include "net/ip_packet.h"
#include "net/udp_header.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace {

using namespace sallyport;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const net::Packet& packet, const net::IpPacket& parsed) {
  const auto run = client::udp_payload_of(packet, parsed);
  if (!run) return;
  const Bytes payload = run->bytes;
  require(payload.data() >= packet.bytes.data() && payload.size() <= packet.bytes.size());
  require(payload.data() + payload.size() <= packet.bytes.data() + parsed.total_length);
  require(payload.empty() ? run->segment_size == 0 : run->segment_size > 0);
  require(run->segment_size <= payload.size());
  if (packet.checksum_partial) return;
  const client::AddressPair pair = client::address_pair_of(parsed);
  std::vector<std::uint8_t> made(net::udp_headers_size(parsed.version == 6));
  net::write_udp_headers(made,
                         {.source = pair.source,
                          .destination = pair.destination,
                          .source_port = pair.source_port,
                          .destination_port = pair.destination_port},
                         payload);
  made.insert(made.end(), payload.begin(), payload.end());
  const auto again = net::parse_ip(made);
  require(again && client::address_pair_of(*again) == pair);
  const auto read = client::udp_payload_of({.bytes = made}, *again);
  require(read && std::ranges::equal(read->bytes, payload));
}

}  // namespace

/// A byte of flags, a segment size of two bytes, and the packet.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  std::vector<std::uint8_t> bytes(data + 3, data + size);
  const auto parsed = net::parse_ip(bytes);
  if (!parsed) return 0;
  const bool partial = (data[0] & 1) != 0;
  check({.bytes = bytes,
         .segment_size = static_cast<std::uint16_t>(partial ? data[1] << 8 | data[2] : 0),
         .checksum_partial = partial},
        *parsed);
  return 0;
}
