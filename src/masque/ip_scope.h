// IpScope: to which hosts and which IP protocol a CONNECT-IP request limits its tunnel (RFC 9484 §4.6): the
// variables "target" and "ipproto" of the URI template; and PacketScope, which tells the packets that are
// within.
#pragma once

#include "base/result.h"
#include "masque/ip_range.h"
#include "net/address.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sallyport::masque {

struct IpScope {
  /// Nothing: any host ("*"). A name, to be resolved by the proxy. A prefix, or one address by its full
  /// length.
  std::variant<std::monostate, std::string, net::IpPrefix> target;
  std::optional<std::uint8_t> protocol;  ///< nothing: any ("*")

  bool is_any_target() const { return std::holds_alternative<std::monostate>(target); }
  const std::string* hostname() const { return std::get_if<std::string>(&target); }
  const net::IpPrefix* prefix() const { return std::get_if<net::IpPrefix>(&target); }
  /// No packet can be of it: `protocol` is that of an IPv6 extension header, behind which the protocol is
  /// looked for. A proxy may reject such requests (RFC 9484 §4.8). AH is one where the target is of IPv6; in
  /// IPv4 it is a protocol.
  bool names_extension_header() const;

  // The variables' values, before percent-encoding.
  std::string target_text() const;
  std::string protocol_text() const;
  friend bool operator==(const IpScope&, const IpScope&) = default;
};

/// From the variables as they stand in a path or query, percent-encoded. Error kind protocol: they are not in
/// the form of RFC 9484 §4.6.
Result<IpScope> parse_ip_scope(std::string_view target, std::string_view ipproto);

/// What of a packet's header a scope is about.
struct PacketAddresses {
  net::IpAddress source, destination;  ///< of one IP version
  std::uint8_t protocol = 0;           ///< the outermost that is no extension header (RFC 9484 §4.8)
};

class PacketScope {
 public:
  /// `resolved`: the addresses of `scope`'s hostname, where it has one.
  explicit PacketScope(const IpScope& scope, std::span<const net::IpAddress> resolved = {});

  /// Whether the client may send it: the destination is the target.
  bool admits_from_client(const PacketAddresses& packet) const;
  /// Whether it may go to the client: the source is the target, or it is ICMP of the tunnel's IP version,
  /// which any router on the way may have sent (RFC 9484 §7.2.1).
  bool admits_to_client(const PacketAddresses& packet) const;
  /// The scope in a form that may be advertised.
  std::vector<IpRange> ranges() const;

 private:
  bool is_target(const net::IpAddress& address) const;
  bool admits_protocol(std::uint8_t protocol, bool v4) const;

  std::vector<IpRange> targets_;  // whatever the protocol: comparing is cheaper than masking
  std::optional<std::uint8_t> protocol_;
};

}  // namespace sallyport::masque
