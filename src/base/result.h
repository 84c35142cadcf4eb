// Errors that a peer, a user or the network can cause are values: Result<T> holds either a T or an Error.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace sallyport {

/// The category of an error; enough to choose an exit status, a Proxy-Status or a retry.
enum class ErrorKind : std::uint8_t {
  usage,        ///< the command line or a configuration value is wrong
  file,         ///< a file cannot be read, written or understood
  resolve,      ///< a name has no address
  refused,      ///< the peer refused (connection refused, or reset before an answer)
  timeout,      ///< no answer in time
  unreachable,  ///< no route, network down
  tls,          ///< the handshake or the certificate
  protocol,     ///< the peer broke the protocol
  denied,       ///< policy forbids it
  too_large,    ///< does not fit the path, or a limit
  closed,       ///< the connection, stream or tunnel ended
  cancelled,    ///< cancelled by us
  resource,     ///< no descriptors, memory or quota
  http,         ///< an HTTP error response; code is the status
};

/// One clear sentence for people (without a full stop, so it can be joined), and a category and code for
/// programs.
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
