// Between our types and ngtcp2's. For quic's own files.
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "net/address.h"
#include "net/datagram_path.h"

#include <cstdint>
#include <cstring>

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

inline ngtcp2_path to_native(const net::NetPath& path) {
  return {to_native(path.local), to_native(path.remote), nullptr};
}

inline net::NetPath to_net_path(const ngtcp2_path& path) {
  return {net::SocketAddress(path.local.addr, path.local.addrlen),
          net::SocketAddress(path.remote.addr, path.remote.addrlen)};
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
  return same_address(path.remote, known.remote) && same_address(path.local, known.local);
}

}  // namespace sallyport::quic
