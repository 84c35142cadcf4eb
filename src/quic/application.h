// Application: what the protocol above (HTTP/3) does for a quic::Connection. The connection calls it; it is
// not owned by the connection and must outlive it (a server's Endpoint keeps both).
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

#include <cstdint>
#include <span>
#include <string>

#include <sys/uio.h>

namespace sallyport::quic {

using StreamId = std::int64_t;

inline bool is_bidirectional(StreamId id) {
  return (id & 2) == 0;
}
inline bool is_client_initiated(StreamId id) {
  return (id & 1) == 0;
}

/// Why a connection ended.
struct Closed {
  enum class By : std::uint8_t {
    us,
    peer,  ///< CONNECTION_CLOSE, sent or received
    idle_timeout,
    handshake_timeout,
    stateless_reset,
    version,  ///< no version in common
    path,     ///< the path under it closed (a hop died, the socket failed)
  };
  By by = By::us;
  bool application = false;  ///< `code` is an application error (HTTP/3), not a transport error
  std::uint64_t code = 0;    ///< RFC 9000 §20, RFC 9114 §8.1; TLS alerts are 0x100 + alert
  std::string reason;        ///< for a person; the peer's words as they came, cut
  bool by_server = false;    ///< the peer that closed is the server
  bool established = false;  ///< the handshake was complete when the peer closed
  /// A TLS alert is `code` less the first of these (RFC 9001 §4.8).
  static constexpr std::uint64_t crypto_error_first = 0x100, crypto_error_last = 0x1ff;
  bool is_tls_alert() const {
    return !application && code >= crypto_error_first && code <= crypto_error_last;
  }
  /// The same as an Error with a sentence that says what happened. `name` names the application's error
  /// codes; null: they are told as numbers.
  Error to_error(std::string (*name)(std::uint64_t code) = nullptr) const;
  /// Closed in order, nothing went wrong.
  bool clean() const;
};

/// What the application has to send next.
struct StreamData {
  StreamId id = -1;                 ///< -1: nothing now
  std::span<const ::iovec> pieces;  ///< stay valid until acked
  bool fin = false;
};

class Application {
 public:
  virtual ~Application() = default;
  /// Streams may be opened. On a client: the handshake is complete and the server verified (with 0-RTT,
  /// streams may be opened before it). On a server: already when its first flight goes out, so that what is
  /// sent from here reaches the client with it; what the client sends while !Connection::is_established()
  /// came as 0-RTT and may be a replay.
  virtual void on_established(Time now) = 0;
  /// 0-RTT was refused: everything sent so far is gone; streams are to be opened anew.
  virtual void on_early_data_rejected(Time /*now*/) {}
  /// Credit for more streams of ours came (or may have: it is also called where none was awaited).
  virtual void on_streams_available() {}

  /// The bytes are valid during the call; their flow-control credit comes back only by Connection::consume().
  /// A returned Error ends the connection with its `code` as application error.
  virtual Result<> on_stream_data(StreamId id, Bytes data, bool fin) = 0;
  virtual Result<> on_stream_reset(StreamId id, std::uint64_t code) = 0;
  /// The peer wants no more of this stream; it was reset with the same code already. May be repeated.
  virtual Result<> on_stop_sending(StreamId id, std::uint64_t code) = 0;
  /// Both directions are done; `code` is what it was reset with, 0 where it was not.
  virtual void on_stream_closed(StreamId id, std::uint64_t code, bool was_reset) = 0;
  /// The next `count` bytes from the front of what was sent are acknowledged and may be freed.
  virtual void on_stream_acked(StreamId id, std::size_t count) = 0;
  /// The peer granted more flow-control credit on a stream that was blocked.
  virtual void on_stream_unblocked(StreamId id) = 0;
  virtual void on_datagram(Bytes payload, Time now) = 0;

  /// Asked for while there is room to send.
  virtual Result<StreamData> next_stream_data() = 0;
  virtual void on_stream_written(StreamId id, std::size_t count) = 0;
  /// Flow control stopped this stream; it is not to be offered again before on_stream_unblocked().
  virtual void on_stream_blocked(StreamId id) = 0;
  /// The stream takes no more (the peer stopped it).
  virtual void on_stream_shut(StreamId id) = 0;

  /// How a DATAGRAM payload begins that the peer discards unread, whatever follows; valid until the next
  /// call. A later search for the path's MTU probes with such payloads. Empty: there are none now.
  virtual Bytes padding_datagram() { return {}; }
  /// max_datagram_payload() has changed.
  virtual void on_max_datagram_payload(std::size_t /*bytes*/) {}
  /// The datagram queue, full before, is half empty.
  virtual void on_datagrams_writable() {}
  /// The last call. The Connection may be destroyed after it returned; not inside it, nor inside any other of
  /// these calls.
  virtual void on_closed(const Closed& why) = 0;
};

}  // namespace sallyport::quic
