// H1Connection: what server and client of HTTP/1.1 (RFC 9112) have in common: reading one message at a time, held back by its reader; writing a
// body in its framing; a tunnel after CONNECT or Upgrade. Base of H1Server and H1Client.
#pragma once

#include <string>
#include <vector>

#include "http/h1_exchange.h"
#include "http/h1_parser.h"
#include "http/stream_connection.h"
#include "http/validation.h"

namespace sallyport::http {

class H1Connection : public StreamConnection {
 public:
  bool can_request() const override { return false; }
  void close(const Error& why) override { drop(&why); }

  // For H1Exchange. Those of an exchange that is over already are ignored.
  virtual void send_head(H1Exchange& exchange, const Response& head, bool end) = 0;
  void send_body(H1Exchange& exchange);
  void reset(H1Exchange& exchange, ResetCode code);
  void stop(H1Exchange& exchange);
  void credit(H1Exchange& exchange, std::size_t bytes);
  void open_tunnel(H1Exchange& exchange);

 protected:
  H1Connection(StreamSetup setup, bool server);

  /// How the end of our message is marked.
  enum class Framing : std::uint8_t {
    none,         ///< it has no body
    length,       ///< by content-length
    chunked,
    until_close,  ///< by the end of the stream: responses to HTTP/1.0
    raw,          ///< a tunnel: by the end of our direction
    held,         ///< a tunnel that the peer did not agree to yet: nothing may be sent
  };

  // What each side does.

  /// The parser's head() is complete; `done`: and so is the message.
  virtual void head_received(bool done) = 0;
  /// What came breaks the protocol; `why.code` is the status for it.
  virtual void message_refused(const Error& why) = 0;
  /// The peer ended its direction where the current message does not allow it, or while there is none.
  virtual void cut_off(const Error& why) = 0;
  /// Whether a message may begin now.
  virtual bool may_begin() const = 0;
  /// reset() of the current exchange, which is over when this returns.
  virtual void reset_current(ResetCode code) = 0;
  /// A turn's bytes were worked through.
  virtual void worked() {}

  // For each side.

  H1Exchange* current() const { return current_; }
  void set_current(H1Exchange& exchange, Framing framing);
  void set_framing(Framing framing) { framing_ = framing; }
  void close_afterwards() { close_after_ = true; }
  bool closes_afterwards() const { return close_after_; }
  /// The rest of the connection is the body, both ways.
  void enter_tunnel();
  bool in_tunnel() const { return tunnel_; }
  /// Hands the message's end, and its trailers, to the current exchange.
  void message_received();
  /// Makes the connection ready for the next message when both of the current ones are complete; or ends it.
  void complete();
  bool peer_ended() const { return fin_; }

  H1Parser& parser() { return parser_; }
  HeadBuilder& builder() { return builder_; }
  /// Text to build a head in; empty.
  std::string& scratch();
  void put_scratch() { gather().put(as_bytes(scratch_)); }

  void on_exchange_gone(ExchangeBase& exchange) override;

 private:
  // StreamConnection
  void received(Bytes bytes) override;
  void received_fin() override;
  void send() override;

  bool may_parse() const;
  std::size_t work_through(Bytes bytes);
  std::size_t parse(Bytes bytes);
  void work_through_inbox();
  void work_off_end();
  void update_reading();
  void deliver(Bytes body);
  bool pump();
  void put_chunk(std::size_t size);
  void put_last_chunk();

  H1Parser parser_;
  HeadBuilder builder_;
  Fields trailers_;
  std::string scratch_;
  std::vector<std::uint8_t> inbox_;  // what came and cannot be worked on yet
  H1Exchange* current_ = nullptr;
  std::size_t unconsumed_ = 0;       // of the current body
  Framing framing_ = Framing::none;
  bool message_done_ = false;        // the peer's current one
  bool tunnel_ = false;
  bool fin_ = false;                 // the peer ended its direction
  bool fin_told_ = false;
  bool close_after_ = false;
  bool working_ = false;
};

}  // namespace sallyport::http
