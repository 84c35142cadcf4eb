// TLS 1.3 and 1.2 over any ByteStream, itself a ByteStream: HTTPS over TCP, and through a CONNECT tunnel.
// GnuTLS implements TLS; this owns the stream below.
#pragma once

#include "net/byte_stream.h"
#include "net/timers.h"
#include "tls/credentials.h"
#include "tls/session_info.h"
#include "trace/keylog.h"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::tls {

using StreamInfo = SessionInfo;

/// finish() sends close_notify and ends the transport's direction. The peer's close_notify is on_end; an end
/// of the transport without close_notify is on_stream_error (kind closed), because the data may be truncated.
/// The stream may be destroyed from inside on_end and on_stream_error, but only closed from inside on_bytes.
class Stream : public net::ByteStream {
 public:
  virtual const StreamInfo& info() const = 0;
};

/// Calls back once, from the deferred work of a turn, so never from inside the call that started the
/// handshake; everything may be destroyed from inside. The stream is not yet reading: set a receiver, then
/// set_reading(true).
using Established = std::function<void(Result<std::unique_ptr<Stream>>)>;

/// A handshake in progress; destroying it before its callback cancels it.
class Handshake {
 public:
  virtual ~Handshake() = default;
  /// On a server, in a callback with an Error: the stream below, unanswered, if the client's first byte was a
  /// letter, as in plain HTTP, so the caller can send a plain HTTP error. Else null.
  virtual std::unique_ptr<net::ByteStream> take_clear_text() = 0;
};

/// For a handshake, from its first byte to its end.
inline constexpr Duration handshake_timeout = 10s;

struct ServerOptions {
  std::shared_ptr<const ServerCredentials> credentials;
  std::vector<std::string> alpn;  ///< in our order of preference; a client that offers only others is refused
  std::array<std::uint8_t, 32> ticket_key{};
  std::shared_ptr<trace::KeyLog> key_log;
  Duration timeout = handshake_timeout;
};

struct ClientOptions {
  std::shared_ptr<const Trust> trust;
  std::shared_ptr<const OfferedCertificate> certificate = nullptr;  ///< for a server that asks for one
  std::string host;  ///< SNI (not for addresses) and what the certificate must cover
  std::vector<std::string> alpn;
  SessionCache* sessions = nullptr;  ///< not owned; must outlive the stream
  std::string origin;  ///< key in `sessions`, "host:port"; empty: `host`. Kept apart from QUIC's
  std::shared_ptr<trace::KeyLog> key_log;
  Duration timeout = handshake_timeout;
};

std::unique_ptr<Handshake> accept(net::Timers& timers, std::unique_ptr<net::ByteStream> transport,
                                  const ServerOptions& options, Established established);
std::unique_ptr<Handshake> connect(net::Timers& timers, std::unique_ptr<net::ByteStream> transport,
                                   const ClientOptions& options, Established established);

}  // namespace sallyport::tls
