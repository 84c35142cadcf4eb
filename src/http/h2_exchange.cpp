#include "http/h2_exchange.h"

#include "http/h2_connection.h"

#include <algorithm>

namespace sallyport::http {

H2Exchange::H2Exchange(ExchangeSet& set, H2Connection& connection, bool server)
    : ExchangeBase(set, connection, Version::http2, server),
      h2_(connection),
      window_(h2_stream_window, h2_largest_window) {}

void H2Exchange::receive(Bytes body) {
  // What nobody wants any more costs the connection nothing, but the stream gets no more credit.
  if (is_ending() || receive_done()) return h2_.credit_connection(body.size());
  apply_limit();
  unreturned_ += body.size();
  received_body(body);
}

void H2Exchange::submit_head(const Response& head, bool end) {
  if (!attached_) return;
  if (head.status < 200)
    h2_.submit_informational(*this, head);
  else
    h2_.submit_response(*this, head, end);
}

void H2Exchange::submit_body() {
  if (!attached_) return;
  if (std::exchange(resting_, false)) h2_.resume(*this);
  h2_.send_soon();
}

void H2Exchange::submit_reset(ResetCode code) {
  if (attached_) h2_.reset(*this, code);
}

void H2Exchange::submit_stop(ResetCode code) {
  stop_ = true;
  stop_code_ = code;
  if (!send_done()) return;
  submit_reset(code);
  transport_closed(nullptr);
}

void H2Exchange::submit_credit(std::size_t bytes) {
  if (!attached_) return;
  apply_limit();
  unreturned_ -= std::min(bytes, unreturned_);
  const std::size_t withheld = std::min(bytes, withheld_);
  withheld_ -= withheld;
  if (withheld > 0) h2_.credit_connection(withheld);
  if (bytes > withheld) h2_.credit(*this, window_, bytes - withheld);
}

// Not before there is something to hold back: nghttp2 has no window for a request that it has not sent yet.
void H2Exchange::apply_limit() {
  if (!std::exchange(limit_due_, false)) return;
  const std::size_t shrunk = window_.lower(receive_limit());
  if (shrunk == 0) return;
  // nghttp2 takes off the window what is yet to come, but not the credit for it.
  withheld_ += shrunk;
  h2_.resize_window(id_, window_);
}

void H2Exchange::tunnel_opened() {
  // A client's streams take turns by themselves.
  if (is_server() && attached_) h2_.tunnel_opened(*this);
}

bool H2Exchange::peer_blocks() const {
  return attached_ && h2_.is_stream_blocked(id_);
}

}  // namespace sallyport::http
