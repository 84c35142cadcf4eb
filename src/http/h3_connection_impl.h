// H3ConnectionImpl: HTTP/3 over one quic::Connection, for both sides. For http's own h3_* files:
// h3_connection.cpp (life, requests), h3_receive.cpp (what QUIC brings), h3_control.cpp (control and QPACK
// streams), h3_send.cpp (what QUIC takes), h3_trace.cpp.
//
// Frames are read and written here, and nghttp3 does QPACK: its own connection object keeps 13 KiB for an
// idle connection, drops invalid fields in silence, ends the connection where RFC 9114 §4.1.2 asks for a
// stream error, and shows neither frames nor all settings.
#pragma once

#include "http/early_priorities.h"
#include "http/exchange_base.h"
#include "http/h3_connection.h"
#include "http/h3_control_reader.h"
#include "http/h3_datagrams.h"
#include "http/h3_exchange.h"
#include "http/h3_stream_table.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace sallyport::http {

class H3ConnectionImpl final : public H3Connection,
                               private ExchangeOwner,
                               private EarlyDatagrams::Receiver,
                               private H3ControlReader::Receiver {
 public:
  /// Server.
  H3ConnectionImpl(quic::Connection& quic, RequestHandler& requests, ConnectionHandler* handler,
                   const Limits& limits);
  /// Client; start() follows.
  H3ConnectionImpl(net::Timers& timers, ConnectionHandler& handler, const Limits& limits);
  ~H3ConnectionImpl() override;
  void start(std::unique_ptr<quic::Connection> quic);

  // Connection
  Exchange& request(Request request, ExchangeHandler& handler, bool end) override;
  bool can_request() const override;
  std::size_t free_streams() const override;
  std::size_t open_exchanges() const override { return exchanges_.size(); }
  void shutdown() override;
  void close(const Error& why) override;
  const ConnectionInfo& info() const override;
  ConnectionCounters counters() const override { return exchanges_.counters; }
  net::Timers& timers() const override { return exchanges_.timers(); }
  quic::Connection* quic() const override { return quic_; }

  // quic::Application
  void on_established(Time now) override;
  void on_early_data_rejected(Time now) override;
  void on_streams_available() override;
  Result<> on_stream_data(quic::StreamId id, Bytes data, bool fin) override;
  Result<> on_stream_reset(quic::StreamId id, std::uint64_t code) override;
  Result<> on_stop_sending(quic::StreamId id, std::uint64_t code) override;
  void on_stream_closed(quic::StreamId id, std::uint64_t code, bool was_reset) override;
  void on_stream_acked(quic::StreamId id, std::size_t count) override;
  void on_stream_unblocked(quic::StreamId id) override;
  void on_datagram(Bytes payload, Time now) override;
  Result<quic::StreamData> next_stream_data() override;
  void on_stream_written(quic::StreamId id, std::size_t count) override;
  void on_stream_blocked(quic::StreamId id) override;
  void on_stream_shut(quic::StreamId id) override;
  Bytes padding_datagram() override;
  void on_max_datagram_payload(std::size_t bytes) override;
  void on_datagrams_writable(quic::StreamId id) override;
  void on_datagram_dropped(quic::StreamId id, quic::DatagramDrop why) override;
  void on_closed(const quic::Closed& why) override;

  // For H3Exchange
  ExchangeSet& exchanges() { return exchanges_; }
  RequestHandler& requests() { return *requests_; }
  const Limits& limits() const { return limits_; }
  H3Scheduler& scheduler() { return scheduler_; }
  QpackDecoder& decoder() { return decoder_; }
  bool is_server() const { return requests_ != nullptr; }
  /// Null until SETTINGS came.
  const H3Settings* peer_settings() const { return peer_control_reader_.settings(); }
  /// HTTP datagrams go as DATAGRAM frames; nullopt while the peer has not said.
  std::optional<bool> takes_datagrams() const;
  void want_write() { quic_->want_write(); }
  /// A field section waits for the peer's encoder stream; an Error when too many do.
  Result<> add_blocked(H3Exchange& exchange);
  /// Sends what the decoder has to say, on a stream that is opened for it when there is a first word.
  Result<> send_decoder_instructions();
  /// Counts events (docs/threat-model.md, "Rapid Reset" and "frame flood"). The Error, or close_for_abuse()
  /// where none can be returned, ends the connection.
  Result<> spend(std::uint32_t events = 1);
  void close_for_abuse();
  /// Those that came before the handler of `id` was there to take them.
  void release_early_datagrams(quic::StreamId id);
  bool holds_early_datagrams(quic::StreamId id) const {
    return early_datagrams_ && early_datagrams_->holds(id);
  }
  /// PRIORITY_UPDATE that came before the request.
  std::optional<Priority> take_early_priority(quic::StreamId id) { return early_priorities_.take(id); }

  // Traces; nothing when nobody records. h3_trace.cpp
  trace::Recorder* recorder() const { return quic_ != nullptr ? quic_->recorder() : nullptr; }
  /// `value`: the ID that the frame carries, where it does.
  void trace_frame(trace::Direction direction, quic::StreamId id, std::uint64_t type, std::uint64_t length,
                   std::uint64_t value = 0, std::string_view text = {}) const;
  void trace_request(trace::Direction direction, quic::StreamId id, std::uint64_t length,
                     const Request& request) const;
  void trace_response(trace::Direction direction, quic::StreamId id, std::uint64_t length,
                      const Response& response) const;
  void trace_fields(trace::Direction direction, quic::StreamId id, std::uint64_t length,
                    const Fields& fields) const;
  /// The frame's payload: every setting of it is told, also what we do not know.
  void trace_settings(trace::Direction direction, quic::StreamId id, Bytes payload) const;
  void trace_stream_type(trace::Direction owner, quic::StreamId id, std::uint64_t type) const;
  void trace_capsule(trace::Direction direction, const trace::Capsule& capsule) const;

 private:
  /// A unidirectional stream of ours.
  struct OwnStream {
    quic::StreamId id = -1;
    H3OutQueue out;
    bool blocked = false;
    bool ready() const { return id >= 0 && !blocked && out.has_unsent(); }
  };
  /// A unidirectional stream of the peer's of which we do not know the type yet, or do not care.
  struct PeerStream {
    quic::StreamId id;
    std::array<std::uint8_t, 8> type{};
    std::uint8_t type_size = 0;
    bool ignored = false;
  };

  // ExchangeOwner, EarlyDatagrams::Receiver
  void on_exchange_gone(ExchangeBase& exchange) override;
  void on_idle() override;
  bool deliver_early(quic::StreamId id, Bytes payload) override;

  // h3_connection.cpp
  enum class Opening : std::uint8_t { done, not_yet, no_stream };
  Opening try_open(H3Exchange& exchange);
  void open_waiting();
  void refuse_from(quic::StreamId first);
  void send_goaway(std::uint64_t id);
  void end_drain();
  void close_when_idle();
  void note_session();
  void close_with(H3Code code, const Error& why);

  // h3_receive.cpp
  H3Exchange* find(quic::StreamId id);
  Result<> on_request_data(quic::StreamId id, Bytes data, bool fin);

  // h3_control.cpp
  void open_control();
  void append_control_frame(H3Frame type, Bytes payload, std::uint64_t value = 0);
  Result<> on_peer_stream_data(quic::StreamId id, Bytes data, bool fin);
  Result<> set_peer_stream_type(quic::StreamId id, std::uint64_t type);
  Result<> read_critical(quic::StreamId id, Bytes data, bool fin);
  bool is_critical(quic::StreamId id) const {
    return id == peer_control_ || id == peer_encoder_ || id == peer_decoder_;
  }
  Result<> resume_blocked();
  // H3ControlReader::Receiver
  Result<> on_settings(const H3Settings& settings) override;
  Result<> on_goaway(std::uint64_t id) override;
  Result<> on_priority_update(quic::StreamId stream, const Priority& priority) override;
  Result<> on_control_frame() override { return spend(); }
  void saw_control_frame(std::uint64_t type, std::uint64_t length, Bytes payload) override;

  // h3_send.cpp
  OwnStream* own_stream(quic::StreamId id);
  quic::StreamData offer(OwnStream& stream);

  // A copy: whoever gave them may be gone before us.
  const Limits limits_;
  RequestHandler* const requests_;  // null on a client
  ConnectionHandler* const handler_;
  quic::Connection* quic_ = nullptr;
  std::unique_ptr<quic::Connection> owned_quic_;
  ExchangeSet exchanges_;
  mutable ConnectionInfo info_;  // what may change is looked up when it is asked for

  H3StreamTable streams_;
  H3Scheduler scheduler_;
  std::vector<H3Exchange*> waiting_;        // client: not yet opened, oldest first
  H3Exchange* offering_ = nullptr;          // the last one that next_stream_data() gave
  std::array<std::uint8_t, 16> padding_{};  // padding_datagram()'s
  H3Exchange* last_tunnel_ = nullptr;       // the last one that got a datagram

  OwnStream control_;
  std::unique_ptr<OwnStream> decoder_stream_;
  QpackDecoder decoder_;
  QpackCancellations cancellations_;
  std::vector<H3Exchange*> blocked_;

  quic::StreamId peer_control_ = -1, peer_encoder_ = -1, peer_decoder_ = -1;
  std::vector<PeerStream> peer_streams_;
  H3ControlReader peer_control_reader_{is_server()};
  EarlyPriorities early_priorities_;

  std::unique_ptr<EarlyDatagrams> early_datagrams_;
  std::unique_ptr<net::Timer> drain_timer_;
  std::uint64_t own_goaway_ = varint_max;
  bool streams_open_ = false;        // on_established() came
  quic::StreamId next_request_ = 0;  // server: one behind the highest that came
  bool draining_ = false;
  bool peer_drains_ = false;
  bool closing_ = false;
};

}  // namespace sallyport::http
