// H2Exchange: one HTTP/2 stream (RFC 9113 §5) as an Exchange. Owned by the ExchangeSet of its H2Connection.
#pragma once

#include "http/exchange_base.h"
#include "http/h2_window.h"

#include <cstdint>
#include <utility>

namespace sallyport::http {

class H2Connection;

class H2Exchange final : public ExchangeBase {
 public:
  H2Exchange(ExchangeSet& set, H2Connection& connection, bool server);

  std::int64_t stream_id() const override { return id_; }

  // For H2Connection and its callbacks.
  Request& mutable_request() { return request_; }
  using ExchangeBase::begin_request;
  /// nghttp2 knows the stream from here on, and leads from it to this.
  void attach(std::int32_t id) {
    id_ = id;
    attached_ = true;
  }
  bool is_attached() const { return attached_; }
  /// nghttp2 forgets the stream, or is to tell us no more of it. Returns the connection's credit that is
  /// still out.
  std::size_t detach() {
    attached_ = false;
    return std::exchange(unreturned_, 0);
  }
  /// A piece of the body.
  void receive(Bytes body);
  /// Sending rests until there is more to send.
  void rest() { resting_ = true; }
  /// We asked the peer to stop; it is told by RST_STREAM when our own message has gone.
  bool wants_stop() const { return stop_; }
  ResetCode stop_code() const { return stop_code_; }

 private:
  void submit_head(const Response& head, bool end) override;
  void submit_body() override;
  void submit_reset(ResetCode code) override;
  void submit_stop(ResetCode code) override;
  void submit_credit(std::size_t bytes) override;
  bool peer_blocks() const override;
  void tunnel_opened() override;
  void submit_limit() override { limit_due_ = true; }
  void apply_limit();

  H2Connection& h2_;
  quic::ReceiveWindow window_;
  std::size_t unreturned_ = 0;
  std::size_t withheld_ = 0;  // bytes for which the stream gets no credit, as its window shrank
  std::int32_t id_ = -1;
  bool attached_ = false;
  bool resting_ = false;
  bool limit_due_ = false;  // receive_limit() is another one than nghttp2 knows
  bool stop_ = false;
  ResetCode stop_code_ = ResetCode::no_error;
};

}  // namespace sallyport::http
