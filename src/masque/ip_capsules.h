// The capsules of CONNECT-IP (RFC 9484 §4.7): ADDRESS_ASSIGN, ADDRESS_REQUEST and ROUTE_ADVERTISEMENT, read
// into plain values and written. For both ends of a tunnel: either may send each of them. Everything that
// §4.7 demands of a capsule by itself is checked here; what is wrong makes the request stream malformed (RFC
// 9297 §3.3), so the stream is reset, and no other.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "masque/ip_range.h"
#include "net/address.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sallyport::masque {

inline constexpr std::uint64_t capsule_address_assign = 0x01;       ///< RFC 9484 §4.7.1
inline constexpr std::uint64_t capsule_address_request = 0x02;      ///< RFC 9484 §4.7.2
inline constexpr std::uint64_t capsule_route_advertisement = 0x03;  ///< RFC 9484 §4.7.3

/// Entries that we take of one capsule; a peer with more is reset (docs/threat-model.md, "invalid address
/// capsule"). A whole table of routes with some networks left out has a few hundred.
inline constexpr std::size_t max_capsule_addresses = 64;
inline constexpr std::size_t max_capsule_ranges = 1024;
/// What the ranges of one capsule may become in a routing table, where one of IPv6 can be 254 prefixes.
inline constexpr std::size_t max_capsule_prefixes = 16'384;

/// An entry of ADDRESS_ASSIGN.
struct AssignedAddress {
  std::uint64_t request_id = 0;  ///< of the request that it answers; 0: unprompted
  net::IpPrefix prefix;
  /// "0.0.0.0/32" or "::/128": the request is answered, and nothing was assigned.
  bool is_rejection() const;
  friend bool operator==(const AssignedAddress&, const AssignedAddress&) = default;
};

/// An entry of ADDRESS_REQUEST.
struct RequestedAddress {
  std::uint64_t request_id = 0;  ///< not 0; never used before on this stream
  net::IpPrefix prefix;
  /// The address is all zero: any of this length would do.
  bool is_without_preference() const;
  AssignedAddress rejection() const;
  friend bool operator==(const RequestedAddress&, const RequestedAddress&) = default;
};

// Read a capsule's value. Errors: protocol, naming the entry, what is wrong with it and the section;
// too_large, more entries than we take.

/// May be empty: the peer has no address any more.
Result<std::vector<AssignedAddress>> parse_address_assign(Bytes value);
/// Never empty. Each request ID is there once; whether it was there in an earlier capsule, RequestIds tells.
Result<std::vector<RequestedAddress>> parse_address_request(Bytes value);
/// May be empty. In the RFC's order, without overlap, also between a range for all protocols and another.
Result<std::vector<IpRange>> parse_route_advertisement(Bytes value);

// Write a capsule's value, for Exchange::send_capsule().

std::vector<std::uint8_t> write_address_assign(std::span<const AssignedAddress> addresses);
/// `addresses`: at least one.
std::vector<std::uint8_t> write_address_request(std::span<const RequestedAddress> addresses);
/// `ranges`: as sendable() has them. Error kind too_large: more ranges or prefixes than a peer like us takes.
Result<std::vector<std::uint8_t>> write_route_advertisement(std::span<const IpRange> ranges);

/// The request IDs that a peer has used on one stream, none of which it may use again (RFC 9484 §4.7.2). Kept
/// as intervals: whoever counts takes no memory. Of a peer that jumps about, the lowest intervals become one,
/// and what lies between them counts as used.
class RequestIds {
 public:
  /// Error kind protocol: the ID was there before, or counts as used.
  Result<> add(std::uint64_t id);

 private:
  static constexpr std::size_t max_intervals = 64;
  struct Interval {
    std::uint64_t first, last;
  };
  std::vector<Interval> used_;  // in order, none next to another
  bool joined_ = false;         // the first one has IDs in it that were not used
};

}  // namespace sallyport::masque
