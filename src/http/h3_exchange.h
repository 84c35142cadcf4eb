// H3Exchange: one request stream of HTTP/3 (RFC 9114 §4, RFC 9220): its frames in both directions. Made and
// owned by H3ConnectionImpl.
#pragma once

#include "http/exchange_base.h"
#include "http/h3_error.h"
#include "http/h3_frames.h"
#include "http/h3_out_queue.h"
#include "http/h3_qpack.h"
#include "http/h3_scheduler.h"

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace sallyport::http {

class H3ConnectionImpl;

class H3Exchange final : public ExchangeBase, public H3Sender {
 public:
  /// Server: for a request that the peer began on stream `id`.
  H3Exchange(H3ConnectionImpl& connection, quic::StreamId id, const Priority& priority);
  /// Client: waits for open().
  H3Exchange(H3ConnectionImpl& connection, Request request, ExchangeHandler& handler, bool end);
  ~H3Exchange() override;

  // They come and go with each request.
  static void* operator new(std::size_t size);
  static void operator delete(void* memory, std::size_t size);

  // Exchange
  std::int64_t stream_id() const override { return id_; }
  /// What two round trips take away, and 64 KiB at least.
  std::size_t write_ahead() const override;
  void use_capsules() override;
  bool send_datagram(Bytes prefix, Bytes payload) override;
  std::size_t max_datagram_payload() const override;
  std::size_t queued_datagram_bytes() const override;
  bool datagrams_unreliable() const override;

  // For H3ConnectionImpl

  /// Client: sends the request on a stream of its own.
  void open(quic::StreamId id);
  /// Client: 0-RTT was refused; back to waiting for open().
  void restart();
  /// The peer's SETTINGS tell how datagrams go: sends those that waited.
  void settings_known();
  /// Client: may go out as 0-RTT (RFC 8446 §8): asks for nothing to change, and is complete.
  bool may_go_early() const;
  bool is_extended_connect() const { return !request_.protocol.empty(); }

  /// Stream data. An Error ends the connection.
  Result<> receive(Bytes data, bool fin);
  /// A field section was blocked and is_unblocked() now: goes on with it and what came behind it.
  Result<> resume();
  bool is_unblocked(const QpackDecoder& decoder) const;
  /// The stream was reset by the peer.
  void on_reset(Error why);
  void on_stop_sending(std::uint64_t code);
  /// An HTTP datagram came for a request that knows none (see knows_datagrams()).
  void refuse_datagram();
  /// QUIC has forgotten the stream.
  void on_stream_closed(const Error* why);
  /// Credit for bytes that were held back and will never be looked at.
  std::size_t take_uncredited();

  /// Fills `pieces` with what is to be sent; `count` of them. False when there is nothing, not even an end.
  bool offer(std::span<::iovec> pieces, std::size_t& count, bool& fin);
  /// `bytes` of the last offer were sent.
  void on_written(std::size_t bytes);
  void on_acked(std::size_t bytes) { out_.acked(bytes); }
  void on_blocked();
  void on_unblocked();
  void on_shut();

  bool is_open() const { return open_; }
  /// Datagrams can be sent on it.
  bool is_open_tunnel() const {
    return open_ && is_tunnel() && !is_ending() && !end_queued() && handler() != nullptr;
  }
  bool has_request() const { return !is_server() || request_seen_; }
  /// A datagram was refused because the queue was full.
  bool take_datagram_refused() { return std::exchange(frame_refused_, false); }

 private:
  enum class Section : std::uint8_t { head, trailers };
  /// What a field section that did not come in one piece, or is blocked, needs.
  struct Unfinished {
    std::vector<std::uint8_t> section;
    QpackContext context;
    std::vector<std::uint8_t> behind;  // stream data after a blocked section
    std::size_t uncredited = 0;
    bool blocked = false;
    bool fin = false;
  };

  // ExchangeBase
  void submit_head(const Response& head, bool end) override;
  void submit_body() override;
  void submit_reset(ResetCode code) override;
  void submit_stop(ResetCode code) override;
  void submit_credit(std::size_t bytes) override;
  bool peer_blocks() const override { return flow_blocked_; }
  void tunnel_opened() override;
  void submit_limit() override;
  void dropped_padding() override;
  void capsule_seen(bool sent, std::uint64_t type, std::size_t length) override;

  // h3_exchange_receive.cpp
  Result<> begin_frame();
  Result<> take_section_piece(Bytes piece, std::size_t& credit);
  Result<> decode(Bytes section);
  Result<> decode_request(Bytes& section, QpackContext& context);
  Result<> decode_response(Bytes& section, QpackContext& context);
  Result<> decode_trailers(Bytes& section, QpackContext& context);
  void skip_frames(Bytes data);
  Result<> receive_end();
  Result<> refuse_large_section();
  Unfinished& unfinished();
  /// No more of this stream's field sections will be decoded.
  void abandon_reading();

  // h3_exchange.cpp
  void submit_request();
  /// Returns the encoded section's size; 0 when the peer does not take it, which ended the exchange.
  std::size_t append_section(QpackEncoder& encoder, std::size_t spare);
  void append_trailers();
  void send_waiting_datagrams();
  void append_data();
  void schedule();

  H3ConnectionImpl& h3_;
  H3OutQueue out_;
  H3FrameHead frame_;
  std::unique_ptr<Unfinished> unfinished_;
  std::vector<Chunk> waiting_datagrams_;  // sent before open() or before it was known how they go
  std::size_t offered_ = 0;
  bool open_ = false;          // QUIC knows the stream
  bool request_seen_ = false;  // server
  bool trailers_seen_ = false;
  bool trailers_sent_ = false;
  bool fin_offered_ = false;
  bool fin_sent_ = false;
  bool flow_blocked_ = false;
  bool frame_refused_ = false;
  bool ends_here_ = false;  // nothing is behind what is being read
};

}  // namespace sallyport::http
