// H2Connection: HTTP/2 (RFC 9113) over a ByteStream by nghttp2, server's or client's side, with extended
// CONNECT (RFC 8441) and priorities (RFC 9218). Made by make_h2_server and make_h2_client.
#pragma once

#include "http/early_priorities.h"
#include "http/h2_callbacks.h"
#include "http/h2_exchange.h"
#include "http/h2_field_list.h"
#include "http/h2_frame_watch.h"
#include "http/h2_long_strings.h"
#include "http/h2_priority_update.h"
#include "http/h2_window.h"
#include "http/stream_connection.h"
#include "http/validation.h"

#include <memory>
#include <optional>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace sallyport::http {

class H2Connection final : public StreamConnection {
 public:
  /// `requests` is null on a client.
  H2Connection(StreamSetup setup, RequestHandler* requests);
  ~H2Connection() override;

  // Connection
  Exchange& request(Request request, ExchangeHandler& handler, bool end) override;
  bool can_request() const override;
  std::size_t free_streams() const override;
  void shutdown() override;
  void close(const Error& why) override;

  // For H2Exchange.
  void submit_response(H2Exchange& exchange, const Response& head, bool end);
  void submit_informational(H2Exchange& exchange, const Response& head);
  void resume(H2Exchange& exchange);
  void reset(H2Exchange& exchange, ResetCode code);
  /// From now on the streams share what there is. nghttp2 lets those that are not incremental go first, all
  /// the way, and a tunnel has no end that others could wait for, nor can it wait for others.
  void tunnel_opened(H2Exchange& exchange);
  void credit(H2Exchange& exchange, quic::ReceiveWindow& window, std::size_t bytes);
  /// Tells nghttp2 of the size of a window; 0 stands for the connection's.
  void resize_window(std::int32_t id, const quic::ReceiveWindow& window);
  void credit_connection(std::size_t bytes);
  /// The peer gives this stream no credit.
  bool is_stream_blocked(std::int32_t id) const {
    return nghttp2_session_get_stream_remote_window_size(session_.get(), id) == 0;
  }
  using StreamConnection::send_soon;

 private:
  friend struct H2Callbacks;

  // StreamConnection
  void received(Bytes bytes) override;
  void received_fin() override;
  void send() override;
  void idled() override;
  void on_exchange_gone(ExchangeBase& exchange) override;

  void submit_settings();
  void submit_request(H2Exchange& exchange);
  /// Schedules the answer by the request's priority; once there are tunnels, always in turns.
  void schedule(H2Exchange& exchange);
  void detach(H2Exchange& exchange);
  /// Spends from the abuse budget; without any left the connection ends with ENHANCE_YOUR_CALM.
  void count_abuse(std::uint32_t events);
  /// Ends the connection at the end of this turn: GOAWAY with `code`, exchanges with `why`.
  void fail(std::uint32_t code, Error why);
  /// What a callback of receiving returns: once the connection failed, nothing more is to be looked at.
  int go_on() const { return failure_ ? NGHTTP2_ERR_CALLBACK_FAILURE : 0; }
  void failed_library(int error);
  /// Hands all frames that are not DATA to the stream, however full it is.
  void send_last_words();
  bool send_frame();
  void settings_received();
  void settings_acknowledged();
  void priority_update_received(const nghttp2_frame_hd& head);
  void goaway_received(const nghttp2_goaway& frame);
  void goaway_sent(const nghttp2_goaway& frame);
  void submit_final_goaway();

  RequestHandler* const requests_;
  H2Session session_;
  H2FrameWatch watch_;
  H2LongStrings long_strings_;
  HeadBuilder builder_;  // of the field section that is being received, if any
  H2Exchange* building_ = nullptr;
  Response response_;  // what builder_ builds on a client
  Fields trailers_;
  H2FieldList fields_;  // of the section that is being submitted
  quic::ReceiveWindow window_;
  H2PriorityUpdateReader priority_update_;
  EarlyPriorities early_priorities_;  // server
  std::vector<H2Exchange*> waiting_;  // extended CONNECT, until the peer's SETTINGS tell whether it does them
  std::optional<Error> goaway_error_;  // why a GOAWAY came, or nghttp2 sent one
  std::optional<Error> failure_;       // ours; set: the connection ends with this turn
  std::uint32_t failure_code_ = 0;
  Time settings_sent_{};
  Duration round_trip_{};
  bool peer_settings_ = false;
  bool draining_ = false;  // GOAWAY was sent or received
  bool close_when_done_ = false;
  bool final_goaway_ = false;  // is to be submitted
  bool in_turns_ = false;      // server: a tunnel was opened
  net::Timer setup_;           // the peer's SETTINGS have to come in time
  net::Timer drain_;           // the final GOAWAY goes at the latest
};

}  // namespace sallyport::http
