// The PROXY header by which a load balancer tells whose TCP connection it carries: version 1 (a line of text)
// and version 2 (binary) of the PROXY protocol. The parser is a pure function of bytes; ProxyHeaderReading
// applies it to a stream.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "net/address.h"

#include <cstddef>
#include <optional>

namespace sallyport::net {

/// No accepted header is longer. Version 1 has 107 bytes at most; in version 2 this leaves 3.9 KiB for TLVs.
inline constexpr std::size_t max_proxy_header = 4096;

struct ProxyHeader {
  std::size_t size = 0;  ///< in bytes; the client's own bytes begin behind it
  /// The client. Nullopt: the header names none (UNKNOWN, LOCAL, an address family other than IP, a transport
  /// other than a stream), and the connection's own address is the client's.
  std::optional<SocketAddress> source;
};

/// What `bytes`, the first ones of a connection, begin with. Nullopt: with a part of a header, which they
/// never are at max_proxy_header bytes. An error (kind protocol): with none, or with one that is malformed;
/// no further byte changes that.
Result<std::optional<ProxyHeader>> parse_proxy_header(Bytes bytes);

}  // namespace sallyport::net
