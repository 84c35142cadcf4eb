// What a peer, a user or the network can cause is a value: Result<T> holds either a T or an Error.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace sallyport {

/// What sort of thing went wrong; enough to choose an exit status, a Proxy-Status or a retry by.
enum class ErrorKind : std::uint8_t {
  usage,        ///< the command line or a configuration value is wrong
  file,         ///< a file cannot be read, written or understood
  resolve,      ///< a name has no address
  refused,      ///< the peer said no (connection refused, reset before an answer)
  timeout,      ///< nothing came in time
  unreachable,  ///< no route, network down
  tls,          ///< the handshake or the certificate
  protocol,     ///< the peer broke the protocol
  denied,       ///< policy forbids it
  too_large,    ///< does not fit the path, or a limit
  closed,       ///< the connection, stream or tunnel ended
  cancelled,    ///< we gave it up ourselves
  resource,     ///< no descriptors, memory or quota
  http,         ///< an HTTP answer that means failure; code is the status
};

/// One clear sentence for a person (no full stop at its end, so that it can be joined), and what a program
/// needs.
struct Error {
  ErrorKind kind = ErrorKind::closed;
  std::string message;
  /// The protocol's own number where there is one: errno, HTTP status, QUIC or HTTP/3 error code.
  std::uint64_t code = 0;
};

template <class T = void>
using Result = std::expected<T, Error>;

/// return fail(ErrorKind::file, "cannot read " + path);
inline std::unexpected<Error> fail(ErrorKind kind, std::string message, std::uint64_t code = 0) {
  return std::unexpected<Error>(Error{kind, std::move(message), code});
}

}  // namespace sallyport
