// Connection: one QUIC connection (RFC 9000, 9001, 9002, 9221, 9368, 9369) over ngtcp2, sans-I/O: it takes
// received datagrams and the time of each turn, and sends runs of datagrams on a DatagramPath. Connections
// nest: the path of an inner connection is a flow on an outer one.
#pragma once

#include "base/random.h"
#include "base/result.h"
#include "net/datagram_path.h"
#include "net/timers.h"
#include "quic/application.h"
#include "quic/config.h"
#include "tls/credentials.h"
#include "trace/keylog.h"
#include "trace/recorder.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::tls {
class ServedCertificate;
struct ClientCertificate;
}  // namespace sallyport::tls

namespace sallyport::quic {

/// The counters of a connection; cheap to take at any time.
struct Stats {
  std::uint64_t packets_sent = 0, packets_received = 0, packets_lost = 0;
  std::uint64_t bytes_sent = 0, bytes_received = 0;          ///< UDP payload
  std::uint64_t datagrams_sent = 0, datagrams_received = 0;  ///< without padding datagrams
  std::uint64_t datagrams_dropped_queue = 0;                 ///< refused: the queue was full
  /// Taken, and dropped later: by quic::DatagramDrop.
  std::uint64_t datagrams_dropped_sojourn = 0, datagrams_dropped_full = 0;
  std::uint64_t datagrams_dropped_size = 0;  ///< did not fit the path
  std::uint64_t datagrams_lost = 0;          ///< sent in a packet that was lost
  std::size_t datagram_queue_bytes = 0;
  Duration datagram_queue_sojourn{};  ///< how long the next one to leave has waited
  /// Of these datagrams: their payloads, and the packets that had them, as UDP payloads.
  std::uint64_t datagram_bytes_sent = 0, datagram_bytes_received = 0;
  std::uint64_t datagram_packets_sent_bytes = 0, datagram_packets_received_bytes = 0;
  Duration smoothed_rtt{}, min_rtt{}, latest_rtt{}, rtt_variance{};
  std::uint64_t congestion_window = 0, bytes_in_flight = 0;
  std::size_t max_udp_payload = 0;  ///< the largest size known to pass the path
  std::uint32_t version = 0;
  bool resumed = false, early_data_accepted = false, retried = false;
  bool resting = false;          ///< idle, and its memory folded
  std::uint64_t ecn_marked = 0;  ///< CE-marked packets received
  std::uint64_t path_changes = 0, key_updates = 0;
  Time started{}, established{},
      first_byte{};      ///< first_byte: first 1-RTT packet received ("QUIC time to first byte")
  Time last_received{};  ///< of the newest authenticated packet
};

/// What the connections of one process share.
struct Environment {
  net::Timers& timers;
  Random& random;
  trace::RecorderFactory* recorders = nullptr;  ///< null: no traces
  std::shared_ptr<trace::KeyLog> key_log;
};

struct ClientOptions {
  Config config;
  std::string host;    ///< SNI, and what the certificate must cover
  std::string origin;  ///< key in `sessions`, "host:port"
  std::vector<std::string> alpn{"h3"};
  std::shared_ptr<const tls::Trust> trust;
  std::shared_ptr<const tls::OfferedCertificate> certificate = nullptr;  ///< for a server that asks for one
  tls::SessionCache* sessions = nullptr;                                 ///< not owned; null: no resumption
  bool early_data = false;  ///< send 0-RTT where a ticket allows it
  std::string title;        ///< for traces and errors: "hop 1 (gw-a:443)"
};

class Connection final : public net::DatagramReceiver {
 public:
  /// A client's connection over `path` (not owned; must outlive the connection). Sends its first flight at
  /// the end of this turn.
  static Result<std::unique_ptr<Connection>> connect(const Environment& environment, net::DatagramPath& path,
                                                     Application& application, const ClientOptions& options);
  ~Connection();

  /// The handshake is complete and the connection not yet closing. On a server on_established() is called
  /// before this is true.
  bool is_established() const;
  bool is_closed() const;
  /// A client with early data: streams may be opened now although !is_established().
  bool can_send_early() const;
  const std::string& alpn() const;
  const std::string& server_name() const;
  const std::string& cipher() const;  ///< the IANA name of the cipher suite; empty before the handshake's end
  /// On a server, from on_established() on: see tls::SessionInfo. Null on a client.
  const std::shared_ptr<const tls::ServedCertificate>& certificate() const;
  /// On a server, once is_established(): see tls::SessionInfo. Null on a client.
  const std::shared_ptr<const tls::ClientCertificate>& client_certificate() const;
  /// Of the client's first Initial; the qlog file is named after it.
  Bytes original_destination_id() const;
  /// Whether the address path().remote is validated: by a handshake or a Retry token.
  bool is_address_validated() const;
  net::NetPath path() const;
  Stats stats() const;
  /// In bytes (RFC 9002 §7); as Stats::congestion_window.
  std::uint64_t congestion_window() const;
  trace::Recorder* recorder() const;
  net::Timers& timers() const;
  /// A client's 0-RTT: HTTP/3 SETTINGS of the earlier connection; empty when there was none.
  std::vector<std::uint8_t> remembered_settings() const;
  void remember_settings(Bytes settings);

  // Streams
  /// An Error of kind resource when the peer's limit is reached (on_streams_available follows).
  Result<StreamId> open_bidirectional();
  /// How many of these the peer still allows.
  std::size_t bidirectional_streams_left() const;
  /// One past the last client-initiated bidirectional stream that MAX_STREAMS allows so far (RFC 9000 §4.6):
  /// sent by a server, received by a client.
  StreamId request_stream_limit() const;
  Result<StreamId> open_unidirectional();
  /// next_stream_data() has data; it is sent at the end of this turn.
  void want_write();
  /// Gives back `count` bytes of flow-control credit of a stream (and of the connection).
  void consume(StreamId id, std::size_t count);
  /// Bounds the receive window of one stream, in place of Config::maximum_stream_window. At least
  /// Config::initial_stream_window; credit that was granted stays granted.
  void lower_receive_limit(StreamId id, std::size_t bytes);
  void reset_stream(StreamId id, std::uint64_t code);
  void stop_sending(StreamId id, std::uint64_t code);
  /// Raises MAX_STREAMS by one, for a peer-initiated stream that is closed.
  void extend_peer_streams_bidirectional(std::size_t count);
  void extend_peer_streams_unidirectional(std::size_t count);

  // Datagrams (RFC 9221)
  bool peer_takes_datagrams() const;
  /// Largest payload (prefix included) of one DATAGRAM frame on the path as it is now.
  std::size_t max_datagram_payload() const;
  /// The same for the size that is proven: during path MTU discovery larger ones are tried.
  std::size_t proven_datagram_payload() const;
  /// Queues one DATAGRAM frame holding `prefix` then `payload` (copied once), behind those of the same flow;
  /// flows are served in turn. False when it is not taken, which is counted: too large, or refused until
  /// Application::on_datagrams_writable().
  bool send_datagram(Bytes prefix, Bytes payload, StreamId flow = 0, WhenFull when_full = WhenFull::refuse);
  std::size_t queued_datagram_bytes() const;

  // Life
  /// The payload last given to on_datagram() was padding (Application::padding_datagram()); it is not
  /// counted.
  void discount_datagram();
  /// Application close (RFC 9000 §10.2). on_closed follows, at the end of this turn at the earliest, never
  /// from inside this call.
  void close(std::uint64_t application_code, std::string_view reason);
  Result<> update_keys();
  /// Moves a client's connection to another path (RFC 9000 §9) after validating it; the old one must live
  /// until on_closed or until stats().path_changes grew.
  Result<> migrate(net::DatagramPath& path);

  // DatagramReceiver
  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time now) override;
  void on_path_writable(Time now) override;
  void on_max_datagram_size(std::size_t bytes) override;
  /// An ICMP error of any kind in answer to a client's first flight ends the attempt, and the next address is
  /// tried. Once the peer has answered, ICMP errors are ignored: an off-path attacker can forge them.
  void on_unreachable(net::Unreachable kind, const Error& why) override;
  void on_path_closed(const Error& why) override;

  struct Impl;  ///< ngtcp2's side; for quic's own files
 private:
  friend class Endpoint;
  explicit Connection(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::quic
