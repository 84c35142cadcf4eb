#include "net/icmp_error.h"

#include "net/internet_checksum.h"
#include "net/packet_fields.h"

#include <algorithm>
#include <cassert>

namespace sallyport::net {
namespace {

constexpr std::size_t icmp_header_size = 8;
constexpr std::size_t icmp_checksum = 2, icmp_mtu = 4;
constexpr std::uint8_t hop_limit = 64;
/// RFC 1812 §4.3.2.5: precedence INTERNETWORK CONTROL.
constexpr std::uint8_t control_precedence = 0xc0;

struct TypeAndCode {
  std::uint8_t type, code;
};

TypeAndCode type_and_code_v4(IcmpError error) {
  switch (error) {
    case IcmpError::packet_too_big:
      return {3, 4};
    case IcmpError::time_exceeded:
      return {11, 0};
    case IcmpError::no_route:
      return {3, 0};
    case IcmpError::address_unreachable:
      return {3, 1};
    case IcmpError::admin_prohibited:
      return {3, 13};  // RFC 1812 §5.2.7.1
    case IcmpError::port_unreachable:
      return {3, 3};
    case IcmpError::source_policy:
      return {3, 13};  // IPv4 has none of its own
  }
  return {3, 0};
}

TypeAndCode type_and_code_v6(IcmpError error) {
  switch (error) {
    case IcmpError::packet_too_big:
      return {2, 0};
    case IcmpError::time_exceeded:
      return {3, 0};
    case IcmpError::no_route:
      return {1, 0};
    case IcmpError::address_unreachable:
      return {1, 3};
    case IcmpError::admin_prohibited:
      return {1, 1};
    case IcmpError::port_unreachable:
      return {1, 4};
    case IcmpError::source_policy:
      return {1, 5};
  }
  return {1, 0};
}

/// The queries and their replies. Any other type of IPv4 is an error or may be a future one; of IPv6 all
/// below 128 are errors (RFC 4443 §2.1).
bool is_query(std::uint8_t version, std::uint8_t type) {
  if (version == 6) return type >= 128 && type != 137;  // Redirect: RFC 4443 §2.4 (e.2)
  switch (type) {
    case 0:   // Echo Reply
    case 8:   // Echo
    case 9:   // Router Advertisement
    case 10:  // Router Solicitation
    case 13:  // Timestamp
    case 14:  // Timestamp Reply
    case 15:  // Information Request
    case 16:  // Information Reply
    case 17:  // Address Mask Request
    case 18:  // Address Mask Reply
    case 42:  // Extended Echo Request, RFC 8335
    case 43:  // Extended Echo Reply
      return true;
    default:
      return false;
  }
}

/// RFC 1122 §3.2.2: "a source address that does not define a single host". Class E, which holds the limited
/// broadcast address, counts as such, and so does "this network", 0.0.0.0/8 (RFC 1122 §3.2.1.3); what a
/// subnet's broadcast address is cannot be known here. No IPv4-mapped address belongs into a packet.
bool is_one_host(const IpAddress& address) {
  if (address.is_unspecified() || address.is_multicast() || address.is_loopback()) return false;
  if (address.is_v6()) return address.unmapped().is_v6();
  return address.octets()[0] != 0 && address.octets()[0] < 240;
}

}  // namespace

bool may_answer(IcmpError error, Bytes bytes, const IpPacket& packet) {
  if (!packet.has_upper_header()) return false;
  if (error == IcmpError::packet_too_big && !packet.dont_fragment) return false;
  if (!is_one_host(packet.source)) return false;
  // RFC 4443 §2.4 (e.3): path MTU discovery works for IPv6 multicast too.
  const bool to_multicast =
      packet.version == 6 && error == IcmpError::packet_too_big && packet.destination.is_multicast();
  if (!is_one_host(packet.destination) && !to_multicast) return false;
  if (packet.protocol != (packet.version == 4 ? protocol::icmp : protocol::icmp_v6)) return true;
  return packet.upper_length() > 0 && is_query(packet.version, bytes[packet.upper_offset]);
}

std::size_t write_icmp_error(MutableBytes out, IcmpError error, Bytes bytes, const IpPacket& packet,
                             const IpAddress& from, std::size_t mtu) {
  const bool is_v6 = packet.version == 6;
  assert(from.is_v6() == is_v6 && out.size() >= max_icmp_error);
  const std::size_t ip_size = is_v6 ? ipv6::header_size : ipv4::header_size;
  const std::size_t room = (is_v6 ? max_icmp_error_v6 : max_icmp_error_v4) - ip_size - icmp_header_size;
  const Bytes quote = bytes.first(std::min<std::size_t>(room, packet.total_length));
  const std::size_t upper_length = icmp_header_size + quote.size();
  const std::size_t size = ip_size + upper_length;
  std::uint8_t* const ip = out.data();
  std::uint8_t* const icmp = ip + ip_size;
  std::fill_n(ip, ip_size + icmp_header_size, std::uint8_t{0});
  copy_bytes(quote, icmp + icmp_header_size);

  std::size_t addresses = ipv4::source;
  if (is_v6) {
    ip[0] = 0x60;
    store_be16(ip + ipv6::payload_length, static_cast<std::uint32_t>(upper_length));
    ip[ipv6::next_header] = protocol::icmp_v6;
    ip[ipv6::hop_limit] = hop_limit;
    addresses = ipv6::source;
  } else {
    ip[0] = 0x45;
    ip[ipv4::traffic_class] = control_precedence;
    store_be16(ip + ipv4::total_length, static_cast<std::uint32_t>(size));
    store_be16(ip + ipv4::fragment, ipv4::dont_fragment);
    ip[ipv4::ttl] = hop_limit;
    ip[ipv4::protocol] = protocol::icmp;
  }
  copy_bytes(packet.source.octets(), copy_bytes(from.octets(), ip + addresses));
  if (!is_v6) store_be16(ip + ipv4::checksum, internet_checksum(out.first(ip_size)));

  const TypeAndCode kind = is_v6 ? type_and_code_v6(error) : type_and_code_v4(error);
  icmp[0] = kind.type;
  icmp[1] = kind.code;
  if (error == IcmpError::packet_too_big) {
    // IPv4 has only the lower half of the word for it.
    const auto told = static_cast<std::uint32_t>(std::min<std::size_t>(mtu, is_v6 ? 0xffffffff : 0xffff));
    store_be32(icmp + icmp_mtu, told);
  }
  const std::uint32_t pseudo = is_v6 ? pseudo_header_sum(out.subspan(addresses, 32), protocol::icmp_v6,
                                                         static_cast<std::uint32_t>(upper_length))
                                     : 0;
  store_be16(icmp + icmp_checksum, internet_checksum(out.subspan(ip_size, upper_length), pseudo));
  return size;
}

}  // namespace sallyport::net
