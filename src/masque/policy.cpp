#include "masque/policy.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

struct SpecialRange {
  net::IpPrefix prefix;
  std::string_view what;
};

net::IpPrefix prefix(std::string_view text) {
  return *net::IpPrefix::parse(text);
}

/// The IANA special-purpose registries (RFC 6890 and its updates), multicast and the deprecated ranges. More
/// telling ones first: the first that matches names the address.
const std::array<SpecialRange, 18>& special_v4() {
  static const std::array<SpecialRange, 18> ranges{{
      {prefix("127.0.0.0/8"), "a loopback address"},
      {prefix("10.0.0.0/8"), "a private address"},
      {prefix("172.16.0.0/12"), "a private address"},
      {prefix("192.168.0.0/16"), "a private address"},
      {prefix("169.254.0.0/16"), "a link-local address"},
      {prefix("100.64.0.0/10"), "a shared address (carrier-grade NAT)"},
      {prefix("0.0.0.0/8"), "a this-network address"},
      {prefix("192.0.0.0/24"), "an IETF protocol address"},
      {prefix("192.0.2.0/24"), "a documentation address"},
      {prefix("198.51.100.0/24"), "a documentation address"},
      {prefix("203.0.113.0/24"), "a documentation address"},
      {prefix("192.88.99.0/24"), "a 6to4 relay address"},
      {prefix("192.31.196.0/24"), "an AS112 address"},
      {prefix("192.175.48.0/24"), "an AS112 address"},
      {prefix("198.18.0.0/15"), "a benchmarking address"},
      {prefix("224.0.0.0/4"), "a multicast address"},
      {prefix("240.0.0.0/4"), "a reserved address"},
      {prefix("168.63.129.16/32"), "a cloud provider's metadata address"},  // looks public, and is not
  }};
  return ranges;
}

const std::array<SpecialRange, 9>& special_v6() {
  static const std::array<SpecialRange, 9> ranges{{
      {prefix("::1/128"), "a loopback address"},
      {prefix("fc00::/7"), "a private address"},
      {prefix("fe80::/10"), "a link-local address"},
      {prefix("fec0::/10"), "a site-local address"},
      {prefix("ff00::/8"), "a multicast address"},
      {prefix("2001::/23"), "an IETF protocol address"},  // Teredo, ORCHID, benchmarks
      {prefix("2001:db8::/32"), "a documentation address"},
      {prefix("3fff::/20"), "a documentation address"},
      {prefix("2002::/16"), "a 6to4 address"},
  }};
  return ranges;
}

/// Why nobody should reach `address` through a proxy; empty for an ordinary public one.
std::string_view special_use(const net::IpAddress& address) {
  if (address.is_v4()) {
    for (const auto& range : special_v4())
      if (range.prefix.contains(address)) return range.what;
    return {};
  }
  for (const auto& range : special_v6())
    if (range.prefix.contains(address)) return range.what;
  // A NAT64 (RFC 6052 §2.1) sends the last four octets' owner what is sent here.
  static const net::IpPrefix nat64 = prefix("64:ff9b::/96");
  if (nat64.contains(address)) {
    const auto octets = address.octets();
    return special_use(net::IpAddress::v4({octets[12], octets[13], octets[14], octets[15]}));
  }
  static const net::IpPrefix global_unicast = prefix("2000::/3");
  return global_unicast.contains(address) ? std::string_view{} : "not a global unicast address";
}

}  // namespace

bool is_refused_port(std::uint16_t port) {
  return port == 25;
}

Result<> TargetPolicy::check_port(std::uint16_t port) const {
  if (!is_refused_port(port) || std::ranges::find(allow_ports_, port) != allow_ports_.end()) return {};
  return fail(ErrorKind::denied,
              fmt::format("port {} (SMTP) is refused by this proxy without --allow-port {}", port, port));
}

TargetPolicy::TargetPolicy(std::vector<net::IpPrefix> allow, IsOwn is_own,
                           std::optional<net::SocketAddress> never)
    : allow_(std::move(allow)), is_own_(std::move(is_own)), never_(never) {
  // Addresses are looked at as IPv4, so prefixes have to be as well.
  for (net::IpPrefix& prefix : allow_)
    if (prefix.length() >= 96 && prefix.address().unmapped().is_v4() && prefix.address().is_v6())
      prefix = {prefix.address().unmapped(), prefix.length() - 96};
}

bool TargetPolicy::is_never(const net::IpAddress& address, std::uint16_t port) const {
  if (!never_ || never_->port() != port) return false;
  // What is sent to the unspecified address arrives at the host itself.
  if (address.is_unspecified() || never_->ip().unmapped() == address) return true;
  return never_->ip().is_unspecified() && (address.is_loopback() || is_own(address));
}

Result<> TargetPolicy::check(const net::IpAddress& given, std::uint16_t port) const {
  const net::IpAddress address = given.unmapped();
  if (is_never(address, port))
    return fail(ErrorKind::denied,
                address.to_string() + " with this port is refused: the proxy's own admin listener");
  if (std::ranges::any_of(allow_, [&](const auto& prefix) { return prefix.contains(address); })) return {};
  std::string_view why = special_use(address);
  if (why.empty() && is_own(address)) why = "the proxy's own host";
  if (why.empty()) return {};
  const std::string text = address.to_string();
  return fail(ErrorKind::denied,
              text + " is " + std::string(why) + ", which this proxy reaches only with --allow " + text);
}

}  // namespace sallyport::masque
