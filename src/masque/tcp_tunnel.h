// TcpTunnel: a client's CONNECT (RFC 9110 §9.3.6) as a ByteStream on an exchange of the hop's connection, of
// any HTTP version.
#pragma once

#include "http/connection.h"
#include "masque/uri_template.h"
#include "net/byte_stream.h"

#include <functional>
#include <memory>

namespace sallyport::masque {

/// What a client hears of a CONNECT that was asked for, each once at the most. Either may be null.
struct TcpTunnelEvents {
  /// The proxy answered 2xx. `next_hop` from its Proxy-Status, or empty.
  std::function<void(const std::string& next_hop)> opened;
  /// The proxy refused it, or ended it in disorder, or the connection to the proxy ended.
  std::function<void(const Error& why)> closed;
};

/// The stream takes writes before the proxy answered; a refusal comes as on_stream_error, too. `connection`
/// must outlive the result.
std::unique_ptr<net::ByteStream> open_tcp_tunnel(http::Connection& connection, const Target& target,
                                                 const http::Fields& extra_fields, TcpTunnelEvents events);

}  // namespace sallyport::masque
