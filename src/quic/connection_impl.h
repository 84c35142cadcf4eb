// Connection::Impl: one connection's state around its ngtcp2_conn. For quic's own files, each of which does
// one part of it: connection_callbacks.cpp (ngtcp2's callbacks), connection_read.cpp, connection_write.cpp,
// connection_close.cpp, connection_rest.cpp, connection_silence.cpp, client.cpp (a client's start, versions,
// tickets and migration) and endpoint_*.cpp (a server's).
#pragma once

#include "quic/connection.h"
#include "quic/datagram_queue.h"
#include "quic/native_connection.h"
#include "quic/packet_protection.h"
#include "quic/packet_tap.h"
#include "quic/path_mtu.h"
#include "quic/rate_limit.h"
#include "quic/send_batch.h"
#include "quic/stream_windows.h"
#include "tls/quic_session.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ngtcp2/ngtcp2.h>

namespace sallyport::quic {

/// "the path carries datagrams of at most N bytes ..."
std::string path_too_narrow(std::size_t bytes);

/// Longer NEW_TOKEN tokens are not kept: an Initial has room for little more, and where the token does not
/// fit, ngtcp2 fails an assertion on its next packet.
inline constexpr std::size_t longest_address_token = 1000;

/// active_connection_id_limit (RFC 9000 §18.2): enough for a migration or two in a row, few enough to keep an
/// idle connection small.
inline constexpr std::uint64_t advertised_connection_ids = 4;

/// State of a client only. client.cpp
struct ClientState {
  ClientOptions options;
  std::shared_ptr<trace::KeyLog> key_log;
  tls::SessionCache::Entry remembered;     ///< of an earlier connection to the origin
  std::vector<std::uint8_t> ticket;        ///< the newest of this one
  std::vector<std::uint8_t> settings;      ///< what remember_settings() was given
  std::uint32_t original_version = 0;      ///< the first version, when Version Negotiation changed it
  std::vector<std::uint32_t> offered;      ///< the server's versions, from a Version Negotiation packet
  net::DatagramPath* next_path = nullptr;  ///< migrating to it
  net::NetPath next_net_path;
  std::vector<std::uint8_t> token;  ///< from NEW_TOKEN of an earlier connection
};

struct EndpointMember;
class NativePath;

struct Connection::Impl final : SendBatch::Sender, DatagramDropListener {
  /// What an Endpoint does for its connections.
  class Keeper {
   public:
    /// Makes the server's Application, before its first callback.
    virtual Application& make_application(EndpointMember& member) = 0;
    virtual bool make_id(ngtcp2_cid& id, std::uint8_t* reset_token) = 0;
    virtual RegionPool& regions() = 0;
    virtual void add_id(EndpointMember& member, const ngtcp2_cid& id) = 0;
    virtual void remove_id(const ngtcp2_cid& id) = 0;
    /// A NEW_TOKEN token for the client's next connection.
    virtual std::vector<std::uint8_t> make_address_token(const net::NetPath& path, std::uint32_t version,
                                                         Time now) = 0;
    /// Called once: the handshake is complete, or the connection ended before that.
    virtual void on_handshake_end(EndpointMember& member, bool completed) = 0;
    virtual void on_moved(
        EndpointMember& member) = 0;  ///< `current_path` has changed. The endpoint's path is blocked; the
                                      ///< member is told when it is writable again.
    virtual bool is_blocked() const = 0;
    virtual void wait_for_path(EndpointMember& member) = 0;
    /// After on_closed. Later packets are answered with `close_packet` (empty: not at all) for `keep` (the
    /// closing or draining period). The connection is destroyed in a later step.
    virtual void on_ended(EndpointMember& member, std::vector<std::uint8_t> close_packet, Duration keep) = 0;

   protected:
    ~Keeper() = default;
  };
  /// The end, decided and still to be carried out.
  struct Ending {
    Closed why;
    bool tell_peer = false;
  };

  Impl(const Environment& environment, net::DatagramPath& path, std::shared_ptr<const Config> config,
       bool is_server);
  ~Impl();

  // Start. connection_setup.cpp, client.cpp and endpoint_initial.cpp
  Result<> start_client(std::uint32_t version);
  Result<> start_server(const ngtcp2_pkt_hd& initial, const ngtcp2_cid& original_id,
                        ngtcp2_token_type token_type, const net::NetPath& from,
                        const tls::QuicServerOptions& tls_options);
  /// What both sides set alike.
  void fill(ngtcp2_settings& settings, ngtcp2_transport_params& parameters,
            const std::vector<std::uint16_t>& probe_sizes) const;
  void fill(ngtcp2_callbacks& callbacks) const;  // connection_callbacks.cpp
  /// `conn` was made: ties it to TLS, starts the recording.
  Result<> begin(std::unique_ptr<tls::QuicSession> session, Bytes original_id, const std::string& title);
  /// Of any length; the recorder truncates them. Null: none.
  void record_parameters(trace::Direction owner, const ngtcp2_transport_params* parameters);

  // connection_read.cpp
  void receive(const net::NetPath& from, const net::DatagramRun& run, Time now);
  /// False: the server answers with Retry instead of keeping this connection.
  bool receive_first(const net::NetPath& from, Bytes datagram, net::Ecn ecn, Time now);
  int read(const NativePath& from, net::Ecn ecn, Bytes datagram);
  void deliver_stops();
  void on_read_error(int error);
  /// At the end of the turn. Code called from receive() need not call this: receive() does so itself, last. A
  /// response written at the end of the turn (Deferred) comes first, so it leaves with the ACK.
  void want_flush() {
    if (!receiving) flush_work.request();
  }

  // connection_write.cpp
  void flush(Time now);
  void write_packets(Time now);
  void pace(std::size_t written, bool more_waits, Time now);
  void wait_for_path();
  bool write_probe(SendBatch& batch, Time now);
  /// ngtcp2's datagram ID of padding datagrams; all others have 0.
  static constexpr std::uint64_t padding_id = 1;
  bool write_padding(SendBatch& batch, Time now);
  bool write_padding_packet(SendBatch& batch, std::size_t size, std::size_t payload, Bytes prefix, bool& sent,
                            Time now);
  ngtcp2_ssize write_datagrams(SendBatch& batch, Time now);
  void on_datagram_dropped(StreamId flow, DatagramDrop why) override;
  void report_writable(Time now);
  struct StreamWrite {
    bool dry = false;       ///< the application has no more
    bool accepted = false;  ///< some of its data went out
  };
  ngtcp2_ssize write_streams(SendBatch& batch, std::size_t size, StreamWrite& progress, Time now);
  net::SendStatus send_run(const net::NetPath& to, const net::DatagramRun& run) override;
  net::SendStatus send_filled_up(net::DatagramPath& way, const net::NetPath& to, const net::DatagramRun& run);
  /// The largest DATAGRAM payload in a packet of `packet_size`.
  std::size_t datagram_room(std::size_t packet_size) const;
  std::size_t reckon_datagram_room(std::size_t packet_size) const;
  /// The packet that a DATAGRAM frame with so much payload needs.
  std::size_t packet_size_for(std::size_t datagram_payload) const;
  void report_max_datagram_payload();
  void arm_timer(Time now);
  void on_timer(Time now);
  // connection_silence.cpp
  /// The deadline for acting on silence from the peer.
  Time silence_deadline() const;
  void end_silence(Time now);
  /// When a client that awaits responses and receives nothing sends a PING.
  Time ping_deadline() const;
  /// When the peer is considered dead, because it does not acknowledge sent packets.
  Time gone_deadline() const;
  /// The PING was sent with the packets just written, or could not be sent.
  void end_ping();
  void on_heard() { silence.pings = 0; }
  void record_metrics(Time now);
  /// Path validation succeeded (RFC 9000 §8.2). Only a validated path becomes `current_path`; ngtcp2's
  /// current path is the one of the newest packet.
  void on_path_validated(const net::NetPath& validated);
  /// `current_path` has changed: reset all per-path state.
  void change_path(Time now);
  std::size_t path_limit() const;

  // connection_rest.cpp
  /// After a server's handshake. No TLS message may come any more.
  void release_tls();
  /// The next deadline of ngtcp2 or of path MTU discovery.
  Time native_deadline() const;
  Time idle_deadline() const;
  /// The probe timeout (RFC 9002 §6.2.1), at most a minute: in ngtcp2 a peer can make it grow without bound
  /// by optimistic ACKs.
  Duration probe_timeout() const;
  /// When rest() is tried if nothing happens from now on.
  Time rest_deadline(Time now) const;
  /// Folds the connection's memory unless a deadline is near; it wakes by itself. False: a deadline is due
  /// now.
  bool rest(Time now);
  void on_unfolded();
  /// Does not wake it.
  ngtcp2_conn_info native_info() const;

  // connection_close.cpp
  /// Decides how the connection ends; the first decision is final. Carried out by the next flush, never here.
  void end(Closed why, bool tell_peer);
  void end_with_native_error(int error);
  void end_closed_by_peer();
  void carry_out_end(Time now);
  /// Closing state: incoming packets are answered with the same CONNECTION_CLOSE, at a decreasing rate (RFC
  /// 9000 §10.2.1).
  void answer_closed(const net::NetPath& from, std::size_t datagrams);
  std::vector<std::uint8_t> write_close(const Closed& why, Time now);
  /// For ngtcp2 callbacks: `result`, or the application's error as the connection's end.
  int callback_result(const Result<>& result);

  // client.cpp
  /// After a Version Negotiation packet: starts again with a common version; false when there is none.
  bool change_version();
  void store_session();
  void store_token(Bytes token);
  void use(net::DatagramPath& other);
  void give_up_next_path();

  Application& app();
  bool is_established() const { return handshake_completed && !ending && !closed; }
  bool may_open_streams() const { return (streams_open || early_data) && !ending && !closed; }
  std::uint32_t version() const;
  /// Opened and not yet closed.
  bool has_stream(StreamId id);

  net::Timers& timers;
  Random& random;
  trace::RecorderFactory* recorders;
  const std::shared_ptr<const Config> config;
  const bool is_server;
  Connection* face = nullptr;
  Application* application = nullptr;
  net::DatagramPath* path;
  Keeper* keeper = nullptr;          // a server's
  EndpointMember* member = nullptr;  // what its keeper knows it by
  std::unique_ptr<ClientState> client;

  CryptoBinding binding{};
  std::unique_ptr<tls::QuicSession> tls;  // null once release_tls() was called
  NativeConnection conn;                  // after tls: it goes first
  ngtcp2_conn_info info_at_rest{};
  std::unique_ptr<trace::Recorder> recorder;

  PathMtu mtu;
  PacketTap tap;
  DatagramQueue queue;
  StreamWindows windows;
  net::Timer timer;
  net::Deferred flush_work;

  tls::SessionInfo session_info;
  std::unique_ptr<Ending> ending;
  std::unique_ptr<Closed> closed;
  std::vector<std::uint8_t> close_packet;  // a client's: the answer in the closing state
  EverRarer close_answers;

  Time now{};  // of the current call
  net::NetPath current_path;
  /// Cached result of datagram_room(), which is called for each datagram. Cleared whenever packets are
  /// received or sent, because connection IDs and the peer's limits may change then.
  mutable struct {
    std::size_t packet_size = 0, payload = 0;
  } room_seen;
  trace::Metrics last_metrics;
  std::size_t last_max_datagram_payload = 0, recorded_mtu = 0, unpaced = 0;
  std::uint64_t bytes_sent = 0, bytes_received = 0;
  std::uint64_t datagrams_sent = 0, datagrams_received = 0, datagrams_lost = 0;
  std::uint64_t datagram_bytes_sent = 0, datagram_bytes_received = 0;
  std::uint64_t datagram_packets_sent_bytes = 0, datagram_packets_received_bytes = 0;
  bool datagram_is_padding = false;  // the one that is being received
  std::uint64_t datagrams_dropped_queue = 0, datagrams_dropped_size = 0;
  std::uint64_t datagrams_dropped_sojourn = 0, datagrams_dropped_full = 0;
  std::uint64_t ecn_marked = 0, path_changes = 0;
  struct {
    std::size_t requests = 0;  // of a client: streams that await data from the server
    unsigned pings = 0;        // since its last packet
    Time last_ping{};
    bool ping_due = false;
  } silence;
  std::uint64_t peer_streams_added = 0;  // bidirectional ones that the peer may open, beyond config's
  StreamId next_bidirectional = 0;       // of a client: one past the last opened stream
  Time started{}, established{};
  ngtcp2_cid first_destination{};   // connection ID of the client's first Initial
  std::uint32_t first_version = 0;  // the one the client chose; negotiation may settle on another
  std::uint32_t final_version = 0;  // once the handshake is complete
  bool handshake_completed = false;
  bool peer_datagrams = false;  // peer_takes_datagrams(), once handshake_completed
  bool streams_open = false;    // on_established was called
  bool early_data = false;      // a client may send 0-RTT
  bool retried = false;
  bool filled_up = false;     // a client's last Initial was sent larger than it is
  bool receiving = false;     // inside receive()
  bool blocked = false;       // send() returned `blocked`
  bool path_changed = false;  // change_path() is due
};

}  // namespace sallyport::quic
