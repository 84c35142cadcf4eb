#include "dial/pinned_addresses.h"

#include "net/host_name.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace sallyport::dial {
namespace {

/// A name with a dot at its end is the same one.
std::string key_of(std::string_view host) {
  if (host.ends_with('.')) host.remove_suffix(1);
  return std::string(host);
}

}  // namespace

Result<> PinnedAddresses::add(std::string_view text) {
  const auto wrong = [text](std::string_view what) {
    return fail(ErrorKind::usage,
                fmt::format("--resolve {}: {}; it takes HOST:PORT:ADDRESS[,ADDRESS]...", text, what));
  };
  const std::size_t bracket = text.starts_with('[') ? std::min(text.find(']'), text.size()) : 0;
  const std::size_t host_end = text.find(':', bracket);
  if (host_end == std::string_view::npos) return wrong("the port is missing");
  const std::size_t port_end = text.find(':', host_end + 1);
  if (port_end == std::string_view::npos) return wrong("the address is missing");
  const std::string_view host_text = text.substr(0, host_end);
  auto host = host_text == "*" ? Result<std::string>("*") : net::parse_host(host_text);
  if (!host) return wrong(host.error().message);
  std::uint16_t port = 0;
  const std::string_view port_text = text.substr(host_end + 1, port_end - host_end - 1);
  const auto [rest, error] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (error != std::errc() || rest != port_text.data() + port_text.size() || port == 0)
    return wrong("the port must be 1 to 65535");
  std::vector<net::IpAddress> addresses;
  for (std::string_view left = text.substr(port_end + 1);;) {
    const std::size_t comma = left.find(',');
    std::string_view one = left.substr(0, comma);
    if (one.starts_with('[') && one.ends_with(']')) one = one.substr(1, one.size() - 2);
    const auto address = net::IpAddress::parse(one);
    if (!address) return wrong(fmt::format("'{}' is no IP address", one));
    addresses.push_back(*address);
    if (comma == std::string_view::npos) break;
    left.remove_prefix(comma + 1);
  }
  addresses_[{key_of(*host), port}] = std::move(addresses);
  return {};
}

std::vector<net::IpAddress> PinnedAddresses::find(const std::string& host, std::uint16_t port) const {
  auto found = addresses_.find({key_of(host), port});
  if (found == addresses_.end()) found = addresses_.find({"*", port});
  return found == addresses_.end() ? std::vector<net::IpAddress>{} : found->second;
}

std::vector<net::IpAddress> of_family(std::vector<net::IpAddress> addresses, AddressFamily family) {
  if (family != AddressFamily::any)
    std::erase_if(addresses, [family](const net::IpAddress& ip) {
      return ip.is_v4() != (family == AddressFamily::ipv4);
    });
  return addresses;
}

}  // namespace sallyport::dial
