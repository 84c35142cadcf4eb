// Recorder: the interface through which quic, http and masque report the events of one connection. The layers
// hold a Recorder pointer that is null without recording: recording then costs one test. Calls come from the
// connection's thread and must be fast: an implementation copies to a ring and writes on its own thread
// (trace::QlogRecorder).
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "net/address.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::trace {

enum class Vantage : std::uint8_t { client, server };
enum class Direction : std::uint8_t { sent, received };

enum class PacketType : std::uint8_t {
  initial,
  zero_rtt,
  handshake,
  one_rtt,
  retry,
  version_negotiation,
  stateless_reset
};

/// One QUIC packet at the encryption boundary: just before sealing, or just after opening.
struct Packet {
  PacketType type{};
  std::uint64_t number = 0;
  std::uint32_t version = 0;  ///< long headers only
  Bytes header;               ///< the associated data: header protection removed
  Bytes frames;               ///< the plain payload (RFC 9000 §12.4); for Version Negotiation, the versions
  std::size_t size = 0;       ///< bytes on the wire of this packet, header and tag included; 0: not known
  bool key_phase = false;
  bool mtu_probe = false;  ///< sent: larger than what the path is known to carry
};

/// Recovery state after something changed it (qlog recovery:metrics_updated).
struct Metrics {
  Duration min_rtt{}, smoothed_rtt{}, latest_rtt{}, rtt_variance{};
  std::uint64_t congestion_window = 0, bytes_in_flight = 0, ssthresh = 0;
  friend bool operator==(const Metrics&, const Metrics&) = default;
};

enum class HttpFrameKind : std::uint8_t {
  headers,
  data,
  settings,
  cancel_push,
  goaway,
  priority_update,
  max_push_id,
  reserved,
  unknown
};

/// One HTTP/3 frame (RFC 9114 §7.2). `fields` is "name: value" lines for headers, "ID=value" lines of decimal
/// numbers for settings, all that the frame has; the priority field value for priority_update; else empty.
struct HttpFrame {
  HttpFrameKind kind{};
  std::int64_t stream_id = 0;
  std::uint64_t length = 0;  ///< payload bytes
  std::string_view fields;
  /// goaway, max_push_id, cancel_push: the stream or push ID; priority_update: the element it names;
  /// reserved, unknown: the frame type.
  std::uint64_t id = 0;
};

/// One capsule (RFC 9297 §3) on a request stream, or an HTTP datagram (length only) in a DATAGRAM frame.
struct Capsule {
  std::int64_t stream_id = 0;
  std::uint64_t type = 0;
  std::uint64_t length = 0;
  bool as_datagram_frame = false;
};

/// Why a received packet was dropped.
enum class DropCause : std::uint8_t {
  decryption_failure,  ///< authentication failed (RFC 9001 §5.5)
  rejected,            ///< authenticated, but not passed to the QUIC library
};

/// How a connection ended (RFC 9000 §10).
struct Closing {
  enum class Cause : std::uint8_t {
    connection_close,  ///< sent or received; `application` and `code` are its error
    idle_timeout,
    handshake_timeout,
    stateless_reset,
    version_mismatch,  ///< no common version in a Version Negotiation packet
    path,              ///< the path closed
  };
  Cause cause = Cause::connection_close;
  bool by_peer = false;
  bool application = false;  ///< `code` is one of HTTP/3's, not of the transport's
  std::uint64_t code = 0;
  std::string_view reason;  ///< unescaped
};

class Recorder {
 public:
  virtual ~Recorder() = default;

  virtual void packet(Time now, Direction direction, const Packet& packet) = 0;
  virtual void datagrams(Time now, Direction direction, std::size_t count, std::size_t bytes) = 0;
  /// Optional: a recorder also infers losses from ACK frames (RFC 9002 §6.1), and reports each packet once.
  /// Follows the packet whose ACK frame shows it, before another one is sent.
  virtual void packet_lost(Time now, PacketType type, std::uint64_t number) = 0;
  /// A received packet of `bytes` was dropped; `details` for people, or empty.
  virtual void packet_dropped(Time now, PacketType type, std::size_t bytes, DropCause cause,
                              std::string_view details) = 0;
  virtual void metrics(Time now, const Metrics& metrics) = 0;
  /// The first path, a move to another one, or a new `max_datagram_size` (bytes of UDP payload) of the same
  /// one.
  virtual void path(Time now, const net::NetPath& path, std::size_t max_datagram_size) = 0;
  /// The encoded extension (RFC 9000 §18); the implementation decodes it, and truncates long input.
  virtual void transport_parameters(Time now, Direction owner, Bytes encoded) = 0;
  virtual void alpn(Time now, std::string_view protocol) = 0;
  /// The 1-RTT keys of both directions are replaced (RFC 9001 §6). `updates`: the number of key updates so
  /// far.
  virtual void key_updated(Time now, bool by_peer, std::uint64_t updates) = 0;
  /// qlog connection_state_updated: "handshake_started", "handshake_complete", "handshake_confirmed",
  /// "draining" ... Figures such as the handshake time are taken from "handshake_complete".
  virtual void state(Time now, std::string_view state) = 0;
  virtual void closed(Time now, const Closing& closing) = 0;

  virtual void http_frame(Time now, Direction direction, const HttpFrame& frame) = 0;
  /// `type`: the type of a unidirectional stream (RFC 9114 §6.2).
  virtual void http_stream_type(Time now, Direction owner, std::int64_t stream_id, std::uint64_t type) = 0;
  virtual void capsule(Time now, Direction direction, const Capsule& capsule) = 0;
  /// A text for happenings without a qlog event: 0-RTT rejected, a path abandoned.
  virtual void note(Time now, std::string_view text) = 0;
};

/// A connection's identification for its recording.
struct ConnectionIdentity {
  Vantage vantage{};
  Bytes original_destination_id;  ///< ODCID: names the file and groups both sides' files
  std::string title;              ///< for a person: "hop 2 (gw-b:443)"
};

/// Makes a Recorder for each new connection, or null when this one is not recorded. Shared by threads.
class RecorderFactory {
 public:
  virtual ~RecorderFactory() = default;
  virtual std::unique_ptr<Recorder> start(Time now, const ConnectionIdentity& identity) = 0;
};

}  // namespace sallyport::trace
