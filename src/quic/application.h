// Application: what the protocol above (HTTP/3) does for a quic::Connection. The connection calls it; it is
// not owned by the connection and must outlive it (a server's Endpoint keeps both).
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "quic/datagram_queueing.h"

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
  std::string reason;        ///< the reason phrase, unescaped, truncated
  bool by_server = false;    ///< the server closed the connection
  bool established = false;  ///< the handshake was complete when the peer closed
  /// CRYPTO_ERROR: the TLS alert is `code` minus this (RFC 9001 §4.8).
  static constexpr std::uint64_t crypto_error_first = 0x100, crypto_error_last = 0x1ff;
  bool is_tls_alert() const {
    return !application && code >= crypto_error_first && code <= crypto_error_last;
  }
  /// The same as an Error with a sentence. `name` names the application's error codes; null: they are shown
  /// as numbers.
  Error to_error(std::string (*name)(std::uint64_t code) = nullptr) const;
  /// Closed without an error.
  bool clean() const;
};

/// The stream data to send next.
struct StreamData {
  StreamId id = -1;                 ///< -1: nothing now
  std::span<const ::iovec> pieces;  ///< stay valid until acked
  bool fin = false;
};

class Application {
 public:
  virtual ~Application() = default;
  /// Streams may be opened. On a client: the handshake is complete and the server's certificate is verified
  /// (with 0-RTT, streams may be opened earlier). On a server: its first flight is about to be sent, so data
  /// sent from here (0.5-RTT) leaves with it. Data received while !Connection::is_established() is 0-RTT and
  /// may be a replay.
  virtual void on_established(Time now) = 0;
  /// 0-RTT was rejected: all streams are gone; open them again.
  virtual void on_early_data_rejected(Time /*now*/) {}
  /// A MAX_STREAMS frame may have raised the limit on our streams (also called when no stream was blocked).
  virtual void on_streams_available() {}

  /// The bytes are valid during the call. Flow-control credit is returned only by Connection::consume(). A
  /// returned Error closes the connection with its `code` as the application error code.
  virtual Result<> on_stream_data(StreamId id, Bytes data, bool fin) = 0;
  virtual Result<> on_stream_reset(StreamId id, std::uint64_t code) = 0;
  /// STOP_SENDING was received; the stream has been reset with the same code. May be called again for one
  /// stream.
  virtual Result<> on_stop_sending(StreamId id, std::uint64_t code) = 0;
  /// Both directions are closed. `code` is the code of the reset, 0 without one.
  virtual void on_stream_closed(StreamId id, std::uint64_t code, bool was_reset) = 0;
  /// The next `count` bytes of sent stream data are acknowledged and may be freed.
  virtual void on_stream_acked(StreamId id, std::size_t count) = 0;
  /// MAX_STREAM_DATA was received for a stream that was blocked.
  virtual void on_stream_unblocked(StreamId id) = 0;
  virtual void on_datagram(Bytes payload, Time now) = 0;

  /// Called while there is room in the congestion window.
  virtual Result<StreamData> next_stream_data() = 0;
  virtual void on_stream_written(StreamId id, std::size_t count) = 0;
  /// The stream is blocked by flow control; do not return it again before on_stream_unblocked().
  virtual void on_stream_blocked(StreamId id) = 0;
  /// The stream takes no more data (STOP_SENDING).
  virtual void on_stream_shut(StreamId id) = 0;

  /// The prefix of a DATAGRAM payload that the peer discards unread, whatever follows; valid until the next
  /// call. Later path MTU searches probe with such payloads. Empty: none available now.
  virtual Bytes padding_datagram() { return {}; }
  /// max_datagram_payload() has changed.
  virtual void on_max_datagram_payload(std::size_t /*bytes*/) {}
  /// A flow whose datagram was refused has room again.
  virtual void on_datagrams_writable(StreamId /*flow*/) {}
  /// A datagram of this flow was taken, and is dropped. Nothing but counting may be done here.
  virtual void on_datagram_dropped(StreamId /*flow*/, DatagramDrop /*why*/) {}
  /// The last call. The Connection may be destroyed after it returned; not inside it, nor inside any other of
  /// these calls.
  virtual void on_closed(const Closed& why) = 0;
};

}  // namespace sallyport::quic
