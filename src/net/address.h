// Addresses of the IP world: an IP address, a prefix of them, and a socket address (IP and UDP/TCP port).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <sys/socket.h>

namespace sallyport::net {

/// An IPv4 or IPv6 address in network byte order.
class IpAddress {
 public:
  IpAddress() = default;  ///< 0.0.0.0
  static IpAddress v4(std::array<std::uint8_t, 4> octets);
  static IpAddress v6(std::array<std::uint8_t, 16> octets, std::uint32_t scope_id = 0);
  /// IPv4 for 4 octets, IPv6 for 16, nullopt otherwise.
  static std::optional<IpAddress> from_octets(std::span<const std::uint8_t> octets);
  /// "192.0.2.1", "2001:db8::1", "fe80::1%eth0"; no brackets, no port.
  static std::optional<IpAddress> parse(std::string_view text);

  bool is_v4() const { return size_ == 4; }
  bool is_v6() const { return size_ == 16; }
  std::span<const std::uint8_t> octets() const { return {octets_.data(), size_}; }
  std::uint32_t scope_id() const { return scope_id_; }
  // These treat an IPv4-mapped address as its IPv4 address.
  bool is_unspecified() const;
  bool is_loopback() const;
  bool is_link_local() const;
  bool is_multicast() const;
  /// ::ffff:a.b.c.d as a.b.c.d; every other address as it is.
  IpAddress unmapped() const;
  std::string to_string() const;
  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  std::array<std::uint8_t, 16> octets_{};
  std::uint8_t size_ = 4;
  std::uint32_t scope_id_ = 0;
};

/// A CIDR prefix, "10.0.0.0/8". A bare address is a prefix of its full length.
class IpPrefix {
 public:
  /// nullopt where bits after the length are set, "10.0.0.1/8": most likely a mistake.
  static std::optional<IpPrefix> parse(std::string_view text);
  /// Bits after `length` in `address` are cleared.
  IpPrefix(IpAddress address, unsigned length);
  const IpAddress& address() const { return address_; }
  unsigned length() const { return length_; }
  /// An IPv4 prefix also contains the IPv4-mapped forms of its addresses.
  bool contains(const IpAddress& address) const;
  /// Whether one of them contains the other: prefixes have either that or nothing in common.
  bool overlaps(const IpPrefix& other) const { return contains(other.address_) || other.contains(address_); }
  std::string to_string() const;
  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;

 private:
  IpAddress address_;
  unsigned length_ = 0;
};

/// An IP address and a port, stored as a sockaddr, so no system call converts it.
class SocketAddress {
 public:
  SocketAddress();  ///< 0.0.0.0:0
  SocketAddress(const IpAddress& ip, std::uint16_t port);
  /// Copies a sockaddr_in or sockaddr_in6; any other family gives the default address.
  SocketAddress(const sockaddr* address, socklen_t length);
  /// "192.0.2.1:443", "[2001:db8::1]:443", ":443" (the IPv6 wildcard, which also takes IPv4).
  static std::optional<SocketAddress> parse(std::string_view text);

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(storage_.data()); }
  sockaddr* data() { return reinterpret_cast<sockaddr*>(storage_.data()); }
  socklen_t size() const;
  int family() const { return data()->sa_family; }
  IpAddress ip() const;
  std::uint16_t port() const;
  void set_port(std::uint16_t port);
  /// "192.0.2.1:443" or "[2001:db8::1]:443"; IPv4-mapped addresses are shown as IPv4.
  std::string to_string() const;
  friend bool operator==(const SocketAddress&, const SocketAddress&);

 private:
  alignas(4) std::array<std::uint8_t, 28> storage_{};  // sizeof(sockaddr_in6)
};

/// Not keyed: a table with keys chosen by peers has to be bounded.
struct SocketAddressHash {
  std::size_t operator()(const SocketAddress& address) const;
};

/// The local and the remote address of a datagram, as this host sees them.
struct NetPath {
  SocketAddress local;
  SocketAddress remote;
  friend bool operator==(const NetPath&, const NetPath&) = default;
};

}  // namespace sallyport::net
