// Conversions between our types and ngtcp2's. For quic's own files.
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "net/address.h"
#include "net/datagram_path.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <netinet/in.h>
#include <ngtcp2/ngtcp2.h>

namespace sallyport::quic {

inline ngtcp2_tstamp to_native(Time time) {
  return static_cast<ngtcp2_tstamp>(time.time_since_epoch().count());
}
inline ngtcp2_tstamp to_native(WallTime time) {
  return static_cast<ngtcp2_tstamp>(time.time_since_epoch().count());
}
inline ngtcp2_duration to_native(Duration span) {
  return static_cast<ngtcp2_duration>(span.count());
}

/// ngtcp2 says "no deadline" with the largest integer.
inline Time to_time(ngtcp2_tstamp stamp) {
  return stamp >= static_cast<ngtcp2_tstamp>(never.time_since_epoch().count()) ? never
                                                                               : Time(Duration(stamp));
}

/// A view of `address`; ngtcp2 only reads through it.
inline ngtcp2_addr to_native(const net::SocketAddress& address) {
  return {const_cast<ngtcp2_sockaddr*>(address.data()), address.size()};
}

/// Lays a port over its IP address, or takes it off again: see NativePath. No hash: as the port stays beside
/// it, different addresses stay different.
inline void mix_port(net::SocketAddress& address) {
  const sockaddr_in* v4 = reinterpret_cast<const sockaddr_in*>(address.data());
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  const std::size_t end = address.family() == AF_INET6 ? offsetof(sockaddr_in6, sin6_addr) + sizeof(in6_addr)
                                                       : offsetof(sockaddr_in, sin_addr) + sizeof(in_addr);
  std::array<std::uint8_t, sizeof(in_port_t)> port;
  std::memcpy(port.data(), &v4->sin_port, port.size());
  auto* const low = reinterpret_cast<std::uint8_t*>(address.data()) + end - port.size();
  for (std::size_t i = 0; i < port.size(); ++i) low[i] ^= port[i];
}

/// The path given to ngtcp2: a different remote port appears as a different IP address. When only the port
/// changes, ngtcp2 keeps the congestion state and the bytes in flight, as it may (RFC 9000 §9.4). When these
/// fill the congestion window, it sends nothing to the new port before its backed-off probe timeout, and a
/// client behind a NAT that rebinds often gets no answer. For a new IP address, ngtcp2 resets that state at
/// once.
class NativePath {
 public:
  explicit NativePath(const net::NetPath& path) : local_(path.local), remote_(path.remote) {
    mix_port(remote_);
    path_ = {to_native(local_), to_native(remote_), nullptr};
  }
  NativePath(const NativePath&) = delete;
  NativePath& operator=(const NativePath&) = delete;
  const ngtcp2_path* get() const { return &path_; }

 private:
  net::SocketAddress local_, remote_;
  ngtcp2_path path_;
};

inline net::NetPath to_net_path(const ngtcp2_path& path) {
  net::NetPath net{net::SocketAddress(path.local.addr, path.local.addrlen),
                   net::SocketAddress(path.remote.addr, path.remote.addrlen)};
  mix_port(net.remote);
  return net;
}

inline ngtcp2_cid to_native_id(Bytes id) {
  ngtcp2_cid native;
  ngtcp2_cid_init(&native, id.data(), id.size());
  return native;
}

inline Bytes id_bytes(const ngtcp2_cid& id) {
  return {id.data, id.datalen};
}

/// Whether `path`, as ngtcp2 filled it in, is `known`; cheaper than to_net_path() and a comparison.
inline bool same_address(const ngtcp2_addr& address, const net::SocketAddress& known) {
  return address.addrlen == known.size() && std::memcmp(address.addr, known.data(), address.addrlen) == 0;
}
inline bool same_path(const ngtcp2_path& path, const net::NetPath& known) {
  net::SocketAddress remote = known.remote;
  mix_port(remote);
  return same_address(path.remote, remote) && same_address(path.local, known.local);
}

}  // namespace sallyport::quic
