// H2Exchange: one HTTP/2 stream (RFC 9113 §5) as an Exchange. Owned by the ExchangeSet of its H2Connection.
#pragma once

#include <cstdint>

#include "http/exchange_base.h"

namespace sallyport::http {

class H2Connection;

class H2Exchange final : public ExchangeBase {
 public:
  H2Exchange(ExchangeSet& set, H2Connection& connection, bool server);

  std::int64_t stream_id() const override { return id_; }

  // For H2Connection and its callbacks.
  Request& mutable_request() { return request_; }
  void begin(Request request, ExchangeHandler& handler, bool end) { begin_request(std::move(request), handler, end); }
  /// nghttp2 knows the stream from here on.
  void open(std::int32_t id) { id_ = id; }
  /// nghttp2 has forgotten the stream, or we want to hear no more of it.
  void detach() { id_open_ = false; }
  bool is_attached() const { return id_ >= 0 && id_open_; }
  /// A piece of the body, for which credit goes back as it is consumed.
  void receive_body(Bytes body);
  /// Credit of the connection that is still out when the stream goes.
  std::size_t take_unreturned() { return std::exchange(unreturned_, 0); }

  /// Sending rests until submit_body().
  void set_resting() { resting_ = true; }
  bool wants_stop() const { return stop_; }
  std::uint32_t stop_code() const { return stop_code_; }

 private:
  void submit_head(const Response& head, bool end) override;
  void submit_body() override;
  void submit_reset(ResetCode code) override;
  void submit_stop(ResetCode code) override;
  void submit_credit(std::size_t bytes) override;

  H2Connection& h2_;
  std::int32_t id_ = -1;  // until the request is handed to nghttp2
  std::size_t unreturned_ = 0;
  std::uint32_t stop_code_ = 0;
  bool id_open_ = true;
  bool resting_ = false;
  bool stop_ = false;
};

}  // namespace sallyport::http
