// TcpTunnel: a client's CONNECT (RFC 9110 §9.3.6) as a ByteStream on an exchange of the hop's connection, of
// any HTTP version.
#pragma once

#include "http/connection.h"
#include "masque/uri_template.h"
#include "net/byte_stream.h"

#include <functional>
#include <memory>

namespace sallyport::masque {

/// The stream takes writes before the proxy answered; a refusal comes as on_stream_error. `connection` must
/// outlive the result.
std::unique_ptr<net::ByteStream> open_tcp_tunnel(http::Connection& connection, const Target& target,
                                                 const http::Fields& extra_fields,
                                                 std::function<void(const Error&)> refused);

}  // namespace sallyport::masque
