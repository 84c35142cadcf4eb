// HTTP/2 (RFC 9113, by nghttp2) and HTTP/1.1 (RFC 9112, grammar by Beast) over a ByteStream: TLS over TCP, or
// a CONNECT tunnel.
#pragma once

#include "http/connection.h"
#include "net/byte_stream.h"

#include <memory>

namespace sallyport::http {

/// What TLS told about the stream below, and how logs name the connection: see ConnectionInfo.
struct StreamSecurity {
  std::string server_name;
  std::string tls;
  std::string cipher;
  std::string id;
  std::shared_ptr<const tls::ServedCertificate> certificate = nullptr;
  std::shared_ptr<const tls::ClientCertificate> client_certificate = nullptr;
};

// All own `stream`. `handler` may be null on a server.
std::unique_ptr<Connection> make_h2_server(net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                           const StreamSecurity& security, RequestHandler& requests,
                                           ConnectionHandler* handler, const Limits& limits);
std::unique_ptr<Connection> make_h2_client(net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                           const StreamSecurity& security, ConnectionHandler& handler,
                                           const Limits& limits);
std::unique_ptr<Connection> make_h1_server(net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                           const StreamSecurity& security, RequestHandler& requests,
                                           ConnectionHandler* handler, const Limits& limits);
std::unique_ptr<Connection> make_h1_client(net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                           const StreamSecurity& security, ConnectionHandler& handler,
                                           const Limits& limits);

}  // namespace sallyport::http
