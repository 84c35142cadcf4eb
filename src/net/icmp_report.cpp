#include "net/icmp_report.h"

#include "net/internet_checksum.h"
#include "net/packet_fields.h"

namespace sallyport::net {
namespace {

constexpr std::size_t icmp_header_size = 8, mtu_v4 = 6, mtu_v6 = 4;
/// Of what is behind the IP header: RFC 792 quotes 8 bytes of it, all of UDP's header.
constexpr std::size_t least_quote = udp::header_size;

bool has_valid_checksum(Bytes bytes, const IpPacket& packet) {
  const Bytes message = bytes.subspan(packet.upper_offset, packet.upper_length());
  const std::uint32_t pseudo =
      packet.version == 4
          ? 0U
          : pseudo_header_sum(bytes.subspan(ipv6::source, 32), protocol::icmp_v6, packet.upper_length());
  return internet_checksum(message, pseudo) == 0;
}

std::optional<IpAddress> address_at(Bytes quote, std::size_t at, std::size_t size) {
  return IpAddress::from_octets(quote.subspan(at, size));
}

/// The quoted headers; of the packet itself there may be no more.
bool read_quote(Bytes quote, std::uint8_t version, IcmpReport& report) {
  const bool v4 = version == 4;
  const std::size_t fixed = v4 ? ipv4::header_size : ipv6::header_size;
  if (quote.size() < fixed || quote[0] >> 4 != version) return false;
  if (quote[v4 ? ipv4::protocol : ipv6::next_header] != protocol::udp) return false;
  std::size_t header = fixed;
  if (v4) {
    header = (quote[0] & 0x0fU) * 4U;
    // Only the first fragment has the ports.
    if ((load_be16(&quote[ipv4::fragment]) & (ipv4::more_fragments | ipv4::offset_mask)) != 0) return false;
    report.length = load_be16(&quote[ipv4::total_length]);
  } else {
    report.length = static_cast<std::uint32_t>(fixed) + load_be16(&quote[ipv6::payload_length]);
  }
  if (header < fixed || quote.size() < header + least_quote) return false;
  const std::size_t octets = v4 ? 4 : 16;
  report.source = address_at(quote, v4 ? ipv4::source : ipv6::source, octets).value_or(IpAddress());
  report.destination =
      address_at(quote, v4 ? ipv4::destination : ipv6::destination, octets).value_or(IpAddress());
  report.source_port = load_be16(&quote[header]);
  report.destination_port = load_be16(&quote[header + 2]);
  return true;
}

}  // namespace

std::optional<IcmpReport> read_icmp_report(Bytes bytes, const IpPacket& packet) {
  const bool v4 = packet.version == 4;
  if (packet.protocol != (v4 ? protocol::icmp : protocol::icmp_v6) || packet.fragment) return std::nullopt;
  if (packet.upper_length() < icmp_header_size || !has_valid_checksum(bytes, packet)) return std::nullopt;
  const std::uint8_t* const icmp = bytes.data() + packet.upper_offset;
  const std::uint8_t type = icmp[0], code = icmp[1];
  IcmpReport report;
  report.unreachable = v4 ? report_of_icmp(type, code) : report_of_icmp6(type, code);
  const bool too_big = v4 ? type == 3 && code == 4 : type == 2;
  if (too_big) report.mtu = v4 ? load_be16(icmp + mtu_v4) : load_be32(icmp + mtu_v6);
  if (!report.unreachable && !too_big) return std::nullopt;
  const Bytes quote =
      bytes.subspan(packet.upper_offset + icmp_header_size, packet.upper_length() - icmp_header_size);
  if (!read_quote(quote, packet.version, report)) return std::nullopt;
  return report;
}

}  // namespace sallyport::net
