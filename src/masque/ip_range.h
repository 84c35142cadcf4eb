// IpRange: an inclusive range of IP addresses for one IP protocol or all, as ROUTE_ADVERTISEMENT carries it
// (RFC 9484 §4.7.3); and what is to be had from lists of them: prefixes for a routing table, and the order
// that the RFC demands of a sender.
#pragma once

#include "base/bytes.h"
#include "net/address.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::masque {

/// In IpRange::protocol: every protocol.
inline constexpr std::uint8_t any_protocol = 0;

struct IpRange {
  net::IpAddress start, end;  ///< of one IP version; start <= end
  std::uint8_t protocol = any_protocol;

  bool is_v4() const { return start.is_v4(); }
  bool contains(const net::IpAddress& address) const {
    return address.is_v4() == is_v4() && start <= address && address <= end;
  }
  friend bool operator==(const IpRange&, const IpRange&) = default;
};

/// ICMP of the range's own IP version, which passes whatever protocols are allowed (RFC 9484 §4.6, §4.7.3).
bool is_icmp(std::uint8_t protocol, bool v4);

/// Whether a packet of `protocol` (behind IPv6 extension headers, RFC 9484 §4.8) to `destination` falls into
/// `range`.
bool routes(const IpRange& range, const net::IpAddress& destination, std::uint8_t protocol);

/// The prefix that is this address alone.
net::IpPrefix host_prefix(const net::IpAddress& address);
/// The address with the highest bits of `prefix` and all others 1.
net::IpAddress last_address(const net::IpPrefix& prefix);
IpRange range_of(const net::IpPrefix& prefix, std::uint8_t protocol = any_protocol);
/// The fewest prefixes that cover `range` and nothing else, in ascending order: 62 at most of IPv4, 254 of
/// IPv6.
std::vector<net::IpPrefix> prefixes_of(const IpRange& range);
/// How many these are, without making them.
std::size_t prefix_count(const IpRange& range);

/// The same addresses and protocols in a form that may be sent (RFC 9484 §4.7.3): ordered, without overlap,
/// neighbours joined; what a range for all protocols covers is cut out of those for a single one.
std::vector<IpRange> sendable(std::vector<IpRange> ranges);

}  // namespace sallyport::masque
