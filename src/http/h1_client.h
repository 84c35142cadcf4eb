// H1Client: the client's side of HTTP/1.1 (RFC 9112), one exchange at a time. An extended CONNECT goes as
// Upgrade (RFC 9298 §3.2, RFC 6455), and 101 comes back as 200; WebSocket's key is made and its answer
// checked here. Made by make_h1_client.
#pragma once

#include "http/h1_connection.h"

namespace sallyport::http {

class H1Client final : public H1Connection {
 public:
  explicit H1Client(StreamSetup setup);
  ~H1Client() override;

  // Connection
  Exchange& request(Request request, ExchangeHandler& handler, bool end) override;
  bool can_request() const override;
  void shutdown() override;

 private:
  // H1Connection
  /// Nothing of a response before its request.
  bool may_begin() const override { return false; }
  void head_received(bool done) override;
  void message_refused(const Error& why) override;
  void cut_off(const Error& why) override;
  void put_response(const Response& head, bool end) override;
  void reset_current(ResetCode code) override;
  void worked() override;
  void idled() override;

  bool put_request(H1Exchange& exchange, bool end);
  void put_upgrade(std::string& text, const Request& request);
  void interim_received(H1Head& head);
  void final_received(const H1Head& head, bool done);
  void hand_over(unsigned status, const H1Head& head, bool complete = false);

  Response response_;
  net::Deferred ready_;
};

}  // namespace sallyport::http
