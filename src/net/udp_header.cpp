#include "net/udp_header.h"

#include "net/internet_checksum.h"
#include "net/packet_fields.h"

#include <algorithm>
#include <cassert>

namespace sallyport::net {
namespace {

/// Everything but the UDP checksum, which stays 0. Returns the sum of the pseudo-header.
std::uint16_t write_without_checksum(MutableBytes out, const UdpHeader& header, std::size_t payload_size) {
  const bool is_v6 = header.source.is_v6();
  const std::size_t size = udp_headers_size(is_v6);
  const std::size_t udp_length = udp::header_size + payload_size;
  assert(header.destination.is_v6() == is_v6 && out.size() >= size);
  assert(udp_length + (is_v6 ? 0 : ipv4::header_size) <= 0xffff);
  std::uint8_t* const ip = out.data();
  std::fill_n(ip, size, std::uint8_t{0});
  const auto ecn = static_cast<std::uint8_t>(header.ecn);
  std::size_t addresses = 0;
  if (is_v6) {
    store_be16(ip, 0x6000U | ecn << 4);
    store_be16(ip + ipv6::payload_length, static_cast<std::uint32_t>(udp_length));
    ip[ipv6::next_header] = protocol::udp;
    ip[ipv6::hop_limit] = header.hop_limit;
    addresses = ipv6::source;
  } else {
    ip[0] = 0x45;
    ip[ipv4::traffic_class] = ecn;
    store_be16(ip + ipv4::total_length, static_cast<std::uint32_t>(ipv4::header_size + udp_length));
    store_be16(ip + ipv4::fragment, ipv4::dont_fragment);
    ip[ipv4::ttl] = header.hop_limit;
    ip[ipv4::protocol] = protocol::udp;
    addresses = ipv4::source;
  }
  copy_bytes(header.destination.octets(), copy_bytes(header.source.octets(), ip + addresses));
  const std::size_t ip_size = size - udp::header_size;
  if (!is_v6) store_be16(ip + ipv4::checksum, internet_checksum(out.first(ip_size)));

  std::uint8_t* const udp_header = ip + ip_size;
  store_be16(udp_header, header.source_port);
  store_be16(udp_header + 2, header.destination_port);
  store_be16(udp_header + udp::length, static_cast<std::uint32_t>(udp_length));
  return pseudo_header_sum(out.subspan(addresses, ip_size - addresses), protocol::udp,
                           static_cast<std::uint32_t>(udp_length));
}

}  // namespace

std::size_t write_udp_headers(MutableBytes out, const UdpHeader& header, Bytes payload) {
  const std::uint32_t pseudo = write_without_checksum(out, header, payload.size());
  const std::size_t size = udp_headers_size(header.source.is_v6());
  const std::size_t at = size - udp::header_size;
  const std::uint16_t checksum =
      internet_checksum(payload, pseudo + internet_sum(out.subspan(at, udp::header_size)));
  store_be16(out.data() + at + udp::checksum, checksum == 0 ? 0xffffU : checksum);
  return size;
}

std::size_t write_partial_udp_headers(MutableBytes out, const UdpHeader& header, std::size_t payload_size) {
  const std::uint16_t pseudo = write_without_checksum(out, header, payload_size);
  const std::size_t size = udp_headers_size(header.source.is_v6());
  store_be16(out.data() + size - udp::header_size + udp::checksum, pseudo);
  return size;
}

}  // namespace sallyport::net
