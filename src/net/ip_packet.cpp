#include "net/ip_packet.h"

#include "net/internet_checksum.h"
#include "net/packet_fields.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <new>
#include <optional>

namespace sallyport::net {
namespace {

/// Bytes that the smallest first fragment carries: fragments are cut at multiples of this (RFC 791 §2.3).
constexpr std::uint32_t fragment_unit = 8;

// An address is made where it stays: copying what was just written, in smaller pieces, would wait for the
// stores, which each packet would pay for.
void load_v4(const std::uint8_t* at, IpAddress& to) {
  ::new (&to) IpAddress(IpAddress::v4({at[0], at[1], at[2], at[3]}));
}
void load_v6(const std::uint8_t* at, IpAddress& to) {
  std::array<std::uint8_t, 16> octets;
  std::memcpy(octets.data(), at, octets.size());
  ::new (&to) IpAddress(IpAddress::v6(octets));
}

/// Those of RFC 7045. ESP ends the chain, as what follows is encrypted.
bool is_extension_header(std::uint8_t next_header) {
  switch (next_header) {
    case protocol::hop_by_hop:
    case protocol::routing:
    case protocol::fragment:
    case protocol::authentication:
    case protocol::destination_options:
    case protocol::mobility:
    case protocol::host_identity:
    case protocol::shim6:
      return true;
    default:
      return false;
  }
}

/// Moves `packet` past the extension headers (RFC 8200 §4).
std::optional<IpDefect> walk_extension_headers(Bytes bytes, IpPacket& packet) {
  for (int walked = 0; is_extension_header(packet.protocol); ++walked) {
    if (walked == max_extension_headers) return IpDefect::extension_chain;
    const std::uint32_t left = packet.upper_length();
    if (left < 8) return IpDefect::truncated;
    const std::uint8_t* const header = bytes.data() + packet.upper_offset;
    std::uint32_t size = 8;
    if (packet.protocol == protocol::fragment) {
      const std::uint16_t word = load_be16(header + 2);
      // An atomic fragment (RFC 6946), offset 0 and the last, is the whole packet.
      packet.fragment_offset = word & 0xfff8;
      packet.fragment = packet.fragment || (word & 0xfff9) != 0;
    } else if (packet.protocol == protocol::authentication) {
      size = (header[1] + 2U) * 4;  // RFC 4302 §2.2
    } else {
      size = (header[1] + 1U) * 8;
    }
    if (left < size) return IpDefect::truncated;
    packet.protocol = header[0];
    packet.upper_offset += size;
    // What follows is a piece from the middle, no header.
    if (packet.fragment_offset != 0) break;
  }
  return std::nullopt;
}

std::optional<IpDefect> read_ports(Bytes bytes, IpPacket& packet) {
  const bool is_tcp = packet.protocol == protocol::tcp;
  if ((!is_tcp && packet.protocol != protocol::udp) || !packet.has_upper_header()) return std::nullopt;
  std::uint32_t least = is_tcp ? tcp::header_size : udp::header_size;
  // IPv4 may cut within the TCP header; IPv6 may not (RFC 8200 §4.5).
  if (packet.fragment && packet.version == 4) least = fragment_unit;
  if (packet.upper_length() < least) return IpDefect::upper_header;
  packet.source_port = load_be16(bytes.data() + packet.upper_offset);
  packet.destination_port = load_be16(bytes.data() + packet.upper_offset + 2);
  return std::nullopt;
}

std::optional<IpDefect> parse_v4(Bytes bytes, IpPacket& packet) {
  if (bytes.size() < ipv4::header_size) return IpDefect::truncated;
  const std::uint8_t* const header = bytes.data();
  packet.upper_offset = (header[0] & 0x0fU) * 4;
  packet.total_length = load_be16(header + ipv4::total_length);
  if (packet.upper_offset < ipv4::header_size || packet.upper_offset > packet.total_length)
    return IpDefect::header_length;
  if (packet.total_length > bytes.size()) return IpDefect::truncated;
  const std::uint16_t word = load_be16(header + ipv4::fragment);
  packet.dont_fragment = (word & ipv4::dont_fragment) != 0;
  packet.fragment = (word & (ipv4::more_fragments | ipv4::offset_mask)) != 0;
  packet.fragment_offset = static_cast<std::uint16_t>((word & ipv4::offset_mask) * fragment_unit);
  packet.version = 4;
  packet.traffic_class = header[ipv4::traffic_class];
  packet.hop_limit = header[ipv4::ttl];
  packet.protocol = header[ipv4::protocol];
  load_v4(header + ipv4::source, packet.source);
  load_v4(header + ipv4::destination, packet.destination);
  return std::nullopt;
}

std::optional<IpDefect> parse_v6(Bytes bytes, IpPacket& packet) {
  if (bytes.size() < ipv6::header_size) return IpDefect::truncated;
  const std::uint8_t* const header = bytes.data();
  packet.upper_offset = ipv6::header_size;
  // A jumbogram's 0 (RFC 2675) means no payload here: no tunnel carries one.
  packet.total_length = std::uint32_t{ipv6::header_size} + load_be16(header + ipv6::payload_length);
  if (packet.total_length > bytes.size()) return IpDefect::truncated;
  packet.dont_fragment = true;
  packet.version = 6;
  packet.traffic_class = static_cast<std::uint8_t>(load_be16(header) >> 4);
  packet.hop_limit = header[ipv6::hop_limit];
  packet.protocol = header[ipv6::next_header];
  load_v6(header + ipv6::source, packet.source);
  load_v6(header + ipv6::destination, packet.destination);
  return walk_extension_headers(bytes, packet);
}

/// Where the checksum of a TCP or UDP packet is, from the IP header on.
std::optional<std::size_t> checksum_offset(const IpPacket& packet) {
  if (packet.fragment) return std::nullopt;
  if (packet.protocol == protocol::tcp) return packet.upper_offset + tcp::checksum;
  if (packet.protocol == protocol::udp) return packet.upper_offset + udp::checksum;
  return std::nullopt;
}

}  // namespace

std::string_view describe(IpDefect defect) {
  switch (defect) {
    case IpDefect::truncated:
      return "the packet is cut short";
    case IpDefect::version:
      return "neither IPv4 nor IPv6";
    case IpDefect::header_length:
      return "the IPv4 header has an impossible length";
    case IpDefect::extension_chain:
      return "too many IPv6 extension headers";
    case IpDefect::upper_header:
      return "no whole TCP or UDP header";
  }
  return "malformed";
}

std::expected<IpPacket, IpDefect> parse_ip(Bytes bytes) {
  if (bytes.empty()) return std::unexpected(IpDefect::truncated);
  std::expected<IpPacket, IpDefect> result;
  IpPacket& packet = *result;
  std::optional<IpDefect> defect = IpDefect::version;
  if (bytes[0] >> 4 == 4)
    defect = parse_v4(bytes, packet);
  else if (bytes[0] >> 4 == 6)
    defect = parse_v6(bytes, packet);
  if (!defect) defect = read_ports(bytes, packet);
  if (defect) result = std::unexpected(*defect);
  return result;
}

bool has_valid_header_checksum(Bytes bytes, const IpPacket& packet) {
  return packet.version == 6 || internet_sum(bytes.first((bytes[0] & 0x0fU) * 4)) == 0xffff;
}

bool has_valid_upper_checksum(Bytes bytes, const IpPacket& packet) {
  const auto at = checksum_offset(packet);
  if (!at) return false;
  if (packet.protocol == protocol::udp && load_be16(bytes.data() + *at) == 0) return false;
  const Bytes addresses =
      packet.version == 4 ? bytes.subspan(ipv4::source, 8) : bytes.subspan(ipv6::source, 32);
  const std::uint32_t pseudo = pseudo_header_sum(addresses, packet.protocol, packet.upper_length());
  return internet_checksum(bytes.subspan(packet.upper_offset, packet.upper_length()), pseudo) == 0;
}

std::optional<Bytes> udp_payload(Bytes bytes, const IpPacket& packet) {
  if (packet.protocol != protocol::udp || packet.fragment) return std::nullopt;
  const std::uint8_t* const header = bytes.data() + packet.upper_offset;
  if (load_be16(header + udp::length) != packet.upper_length()) return std::nullopt;
  const bool without = packet.version == 4 && load_be16(header + udp::checksum) == 0;
  if (!without && !has_valid_upper_checksum(bytes, packet)) return std::nullopt;
  return bytes.subspan(packet.upper_offset + udp::header_size, packet.upper_length() - udp::header_size);
}

bool decrement_hop_limit(MutableBytes bytes) {
  std::uint8_t* const header = bytes.data();
  if (header[0] >> 4 == 6) {
    if (header[ipv6::hop_limit] <= 1) return false;
    --header[ipv6::hop_limit];
    return true;
  }
  if (header[ipv4::ttl] <= 1) return false;
  const std::uint16_t old_word = load_be16(header + ipv4::ttl);
  --header[ipv4::ttl];
  store_be16(header + ipv4::checksum,
             updated_checksum(load_be16(header + ipv4::checksum), old_word, load_be16(header + ipv4::ttl)));
  return true;
}

bool complete_checksum(MutableBytes bytes, const IpPacket& packet) {
  const auto at = checksum_offset(packet);
  if (!at) return false;
  // The field itself is the sum of the pseudo-header.
  std::uint16_t checksum = internet_checksum(bytes.subspan(packet.upper_offset, packet.upper_length()));
  if (checksum == 0 && packet.protocol == protocol::udp) checksum = 0xffff;  // RFC 768: 0 is "none"
  store_be16(bytes.data() + *at, checksum);
  return true;
}

bool clamp_mss(MutableBytes bytes, const IpPacket& packet, std::uint16_t mss, bool checksum_partial) {
  if (packet.protocol != protocol::tcp || packet.fragment) return false;
  std::uint8_t* const header = bytes.data() + packet.upper_offset;
  if ((header[tcp::flags] & tcp::syn) == 0) return false;
  const std::size_t end = std::min<std::size_t>((header[tcp::data_offset] >> 4) * 4, packet.upper_length());
  constexpr std::uint8_t end_of_list = 0, no_operation = 1, maximum_segment_size = 2;
  for (std::size_t at = tcp::header_size; at < end && header[at] != end_of_list;) {
    if (header[at] == no_operation) {
      ++at;
      continue;
    }
    if (end - at < 2 || header[at + 1] < 2 || header[at + 1] > end - at) return false;
    if (header[at] == maximum_segment_size && header[at + 1] == 4) {
      std::uint8_t* const field = header + at + 2;
      const std::uint16_t old_mss = load_be16(field);
      if (old_mss <= mss) return false;
      store_be16(field, mss);
      if (!checksum_partial) {
        // At an odd offset the field lies across two words, and counts in the sum with its bytes swapped.
        const auto word = [odd = at % 2 != 0](std::uint16_t value) {
          return odd ? static_cast<std::uint16_t>(value << 8 | value >> 8) : value;
        };
        store_be16(header + tcp::checksum,
                   updated_checksum(load_be16(header + tcp::checksum), word(old_mss), word(mss)));
      }
      return true;
    }
    at += header[at + 1];
  }
  return false;
}

bool clamp_mss_to_mtu(MutableBytes bytes, const IpPacket& packet, std::size_t mtu, bool checksum_partial) {
  const std::size_t headers =
      (packet.version == 4 ? ipv4::header_size : ipv6::header_size) + tcp::header_size;
  if (mtu <= headers) return false;
  const std::size_t mss = std::min<std::size_t>(mtu - headers, 0xffff);
  return clamp_mss(bytes, packet, static_cast<std::uint16_t>(mss), checksum_partial);
}

}  // namespace sallyport::net
