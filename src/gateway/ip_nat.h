// IpNat: what --ip-nat asks for: packets of CONNECT-IP clients that leave the gateway's machine have its
// address (masquerading, RFC 3022; IPv6 likewise, which has no better word for it). Rules of nftables, in a
// table of their own that is gone with the process, however that ends (net/nftables.h). Owned by IpService.
#pragma once

#include "base/result.h"
#include "net/address.h"
#include "net/nftables.h"

#include <span>
#include <string>
#include <utility>

namespace sallyport::gateway {

class IpNat {
 public:
  /// Translates what comes from an address of `pool`, and leaves by another device than this one, whose name
  /// is taken for the table: "sallyport-tun0". Errors name the flag and the remedy.
  static Result<IpNat> open(std::span<const net::IpPrefix> pool, const std::string& device,
                            unsigned device_index);

 private:
  explicit IpNat(net::Nftables nftables) : nftables_(std::move(nftables)) {}

  net::Nftables nftables_;
};

/// The commands that make the table; for IpNat and its test.
std::string nat_rules(std::span<const net::IpPrefix> pool, const std::string& device, unsigned device_index);

}  // namespace sallyport::gateway
