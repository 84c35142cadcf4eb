// HTTP/3 (RFC 9114; QPACK by nghttp3) over a quic::Connection, with HTTP datagrams (RFC 9297), extended
// CONNECT (RFC 9220) and priorities (RFC 9218).
#pragma once

#include "http/connection.h"
#include "quic/application.h"
#include "quic/connection.h"

#include <memory>

namespace sallyport::http {

/// Both an http::Connection and the quic::Application below it.
class H3Connection : public Connection, public quic::Application {};

/// Server's side of a connection that an Endpoint just accepted. HTTP datagrams are always offered, so on
/// both sides quic::Config::max_datagram_frame_size has to be above 0 (RFC 9297 §2.1.1). `handler` may be
/// null.
std::unique_ptr<H3Connection> make_h3_server(quic::Connection& quic, RequestHandler& requests,
                                             ConnectionHandler* handler, const Limits& limits);

/// Client's side: the returned object owns its quic::Connection. The first requests wait for the handshake,
/// or go as 0-RTT where `quic.early_data` is set and a ticket allows it (only safe methods do).
Result<std::unique_ptr<H3Connection>> make_h3_client(const quic::Environment& environment,
                                                     net::DatagramPath& path, const quic::ClientOptions& quic,
                                                     ConnectionHandler& handler, const Limits& limits);

}  // namespace sallyport::http
