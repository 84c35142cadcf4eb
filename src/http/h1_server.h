// H1Server: the server's side of HTTP/1.1 and 1.0 (RFC 9112). Upgrade to a protocol that travels in CONNECT
// elsewhere (RFC 9298 §3.2, RFC 6455) is shown as extended CONNECT, so that handlers see one thing;
// WebSocket's key is answered here. Made by make_h1_server.
#pragma once

#include "http/h1_connection.h"

namespace sallyport::http {

class H1Server final : public H1Connection {
 public:
  H1Server(StreamSetup setup, RequestHandler& requests);
  ~H1Server() override;

  // Connection
  Exchange& request(Request request, ExchangeHandler& handler, bool end) override;
  bool can_request() const override { return false; }
  void shutdown() override;

 private:
  // H1Connection
  bool may_begin() const override { return true; }
  void head_received(bool done) override;
  void message_refused(const Error& why) override;
  void cut_off(const Error& why) override;
  void put_response(const Response& head, bool end) override;
  void put_end_of_head() override;
  void reset_current(ResetCode code) override;
  void worked() override;
  void idled() override;

  Verdict build(H1Exchange& exchange, const H1Head& head);
  Framing framing_of(const Response& head, bool end) const;
  /// Answers with no exchange's help and ends the connection. `more`: lines of fields.
  void refuse(unsigned status, const Error& why, std::string_view more = {});
  /// Of a request of which there may be no exchange.
  void record_refusal(unsigned status, const Error& why);
  /// Whether what asks for WebSocket does so by its rules; else it was refused. Takes the key.
  bool take_websocket_key(H1Exchange& exchange);

  RequestHandler& requests_;
  net::Timer slow_head_;
  std::optional<Time> head_began_;  // the first byte of a head that is not complete came
  bool draining_ = false;
  bool head_is_open_ = false;  // a response's head was written up to what put_end_of_head() writes
};

}  // namespace sallyport::http
