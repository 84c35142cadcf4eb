// The capsules by which the ends of a CONNECT-IP tunnel tell each other of nameservers and of NAT64
// (draft-ietf-masque-connect-ip-dns-06, work in progress): DNS_ASSIGN and PREF64, read into plain values and
// written. Each supersedes the one before. Whether any of it is used is the receiver's own decision: a client
// may trust its proxy, a proxy ignores its clients (§5). What is malformed resets the stream, as with
// ip_capsules.h.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "net/address.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sallyport::masque {

// Provisional (§6): an RFC will have others.
inline constexpr std::uint64_t capsule_dns_assign = 0x1ace79ec;
inline constexpr std::uint64_t capsule_pref64 = 0x274c0fbc;

// What we take of one capsule; a peer with more is reset.
inline constexpr std::size_t max_dns_capsule = 32 * 1024;  ///< bytes of its value
inline constexpr std::size_t max_dns_configurations = 16;
inline constexpr std::size_t max_dns_nameservers = 16;           ///< of one configuration
inline constexpr std::size_t max_dns_nameserver_addresses = 16;  ///< of each IP version
inline constexpr std::size_t max_dns_domains = 256;  ///< internal or search domains of one configuration
inline constexpr std::size_t max_pref64 = 64;

/// A recursive resolver (§3.2), with what its service parameters (RFC 9460) say.
struct DnsNameserver {
  std::uint16_t priority = 1;             ///< not 0; the lowest comes first
  std::vector<net::IpAddress> addresses;  ///< those of IPv4 in front
  std::string authentication_domain;      ///< empty: unencrypted DNS only
  std::vector<std::string> alpn;          ///< of encrypted transports: "dot", "doq", "h2", "h3"
  bool unencrypted = true;                ///< DNS over UDP and TCP, too ("no-default-alpn" is not there)
  std::optional<std::uint16_t> port;      ///< in place of each transport's own
  std::string doh_path;                   ///< a URI template relative to the authentication domain's origin
  /// A parameter that we do not know is mandatory: not to be used (RFC 9460 §8).
  bool needs_more = false;
  friend bool operator==(const DnsNameserver&, const DnsNameserver&) = default;
};

/// Nameservers and what they are for (§3.3). Domains are of letters, digits, "-" and "_", so that they may go
/// into a file as they are.
struct DnsConfiguration {
  std::vector<DnsNameserver> nameservers;
  std::vector<std::string> internal_domains;  ///< with their subdomains; "" is the root: all names
  std::vector<std::string> search_domains;
  friend bool operator==(const DnsConfiguration&, const DnsConfiguration&) = default;
};

// Read a capsule's value. Errors: protocol, naming what is wrong and the section; too_large, more than we
// take.

/// May be empty: there is no configuration any more.
Result<std::vector<DnsConfiguration>> parse_dns_assign(Bytes value);
/// May be empty: there is no NAT64. Lengths are 32, 40, 48, 56, 64 or 96 (RFC 6052 §2.2).
Result<std::vector<net::IpPrefix>> parse_pref64(Bytes value);

// Write a capsule's value, for Exchange::send_capsule(). `configurations` and `prefixes`: such as parse_…()
// would take; not to be sent before the routes to the nameservers are advertised (§5).

std::vector<std::uint8_t> write_dns_assign(std::span<const DnsConfiguration> configurations);
std::vector<std::uint8_t> write_pref64(std::span<const net::IpPrefix> prefixes);

}  // namespace sallyport::masque
