#include "gateway/ip_nat.h"

#include <algorithm>

#include <fmt/format.h>

namespace sallyport::gateway {
namespace {

/// nft takes no other name for a table, and has no way to quote one.
bool is_plain(const std::string& name) {
  return std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

}  // namespace

std::string nat_rules(std::span<const net::IpPrefix> pool, const std::string& device, unsigned device_index) {
  std::string rules;
  for (const net::IpPrefix& prefix : pool)
    fmt::format_to(std::back_inserter(rules), "{} saddr {} oif != {} masquerade\n",
                   prefix.address().is_v4() ? "ip" : "ip6", prefix.to_string(), device_index);
  return fmt::format(
      "table inet sallyport-{} {{\nflags owner\nchain postrouting {{\n"
      "type nat hook postrouting priority srcnat; policy accept;\n{}}}\n}}\n",
      is_plain(device) ? device : fmt::format("link-{}", device_index), rules);
}

Result<IpNat> IpNat::open(std::span<const net::IpPrefix> pool, const std::string& device,
                          unsigned device_index) {
  auto nftables = net::Nftables::open();
  if (!nftables) return std::unexpected(std::move(nftables.error()));
  if (const auto done = nftables->run(nat_rules(pool, device, device_index)); !done)
    return fail(done.error().kind,
                fmt::format("--ip-nat: {}; it takes CAP_NET_ADMIN, and a kernel of Linux 5.12 or newer with "
                            "nftables and masquerading",
                            done.error().message),
                done.error().code);
  return IpNat(*std::move(nftables));
}

}  // namespace sallyport::gateway
