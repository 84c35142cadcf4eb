// H1Connection: what server and client of HTTP/1.1 (RFC 9112) have in common: reading one message at a time,
// held back by its reader; writing a body in its framing; a tunnel after CONNECT or Upgrade. Base of H1Server
// and H1Client.
#pragma once

#include "http/h1_exchange.h"
#include "http/h1_parser.h"
#include "http/stream_connection.h"
#include "http/validation.h"

#include <string>
#include <vector>

namespace sallyport::http {

class H1Connection : public StreamConnection {
 public:
  // Connection
  void close(const Error& why) override { drop(&why); }

  // For H1Exchange. What an exchange says that is over already is ignored.
  void send_head(H1Exchange& exchange, const Response& head, bool end);
  void send_body(H1Exchange& exchange);
  void reset(H1Exchange& exchange, ResetCode code);
  /// A server's connection goes on when the rest of the message is here by the end of this turn; else it
  /// closes, after a response that says so unless that had left before.
  void stop(H1Exchange& exchange);
  void credit(H1Exchange& exchange, std::size_t bytes);
  void open_tunnel(H1Exchange& exchange);

 protected:
  H1Connection(StreamSetup setup, bool server);

  /// How the end of our message is marked.
  enum class Framing : std::uint8_t {
    none,    ///< it has no body
    length,  ///< by content-length
    chunked,
    until_close,  ///< by the end of the stream: responses to HTTP/1.0
    raw,          ///< a tunnel: by the end of our direction
    held,         ///< what is to become a tunnel: nothing may be sent yet
  };

  // What each side does.

  /// Whether a message may begin now.
  virtual bool may_begin() const = 0;
  /// parser().head() is complete; with `done`, so is the message, which is to be followed by
  /// message_received() unless more is to come.
  virtual void head_received(bool done) = 0;
  /// What came breaks the protocol; the code of `why` is the status for it.
  virtual void message_refused(const Error& why) = 0;
  /// The peer ended its direction inside a message.
  virtual void cut_off(const Error& why) = 0;
  /// Server: writes the head of a response and sets the framing.
  virtual void put_response(const Response& head, bool end) = 0;
  /// The current exchange was reset: end the connection.
  virtual void reset_current(ResetCode code) = 0;
  /// The bytes of a turn were worked through.
  virtual void worked() {}
  /// Server: the end of a response's head, which waits for what came to be worked through: only then is known
  /// whether the connection closes.
  virtual void put_end_of_head() {}

  // For each side.

  H1Exchange* current() const { return current_; }
  void set_current(H1Exchange& exchange, Framing framing);
  void set_framing(Framing framing) { framing_ = framing; }
  /// The current exchange is the last one.
  void close_afterwards() { close_after_ = true; }
  bool closes_afterwards() const { return close_after_; }
  /// The peer's message is complete.
  void message_received();
  /// The peer's message ends with its head, unless it becomes a tunnel.
  void hold_message() { message_done_ = true; }
  /// What was held becomes no tunnel: its end is handed over at the end of this turn.
  void end_held_message();
  /// When both messages are complete, makes ready for the next, or ends the connection.
  void complete();
  /// Of the current upgrade to WebSocket: what a server is to answer with, and a client to hear.
  std::string& websocket_accept_value() { return websocket_accept_; }
  /// Bytes of a message that has not begun or is not complete lie here.
  bool has_partial() const { return !inbox_.empty() || parser_.in_message(); }

  H1Parser& parser() { return parser_; }
  HeadBuilder& builder() { return builder_; }
  /// Text to write a head in, empty at first.
  std::string& start_head();
  void send_head_text() { gather().put(as_bytes(head_text_)); }

  void on_exchange_gone(ExchangeBase& exchange) override;

 private:
  // StreamConnection
  void received(Bytes bytes) override;
  void received_fin() override;
  void send() override;

  bool may_work() const;
  std::size_t work_through(Bytes bytes);
  bool work_through_inbox();
  std::size_t parse(Bytes bytes);
  std::size_t window() const;
  void deliver(Bytes body);
  void work_off_end();
  void settle_head();
  void update_reading();
  bool pump();
  void put_body(std::size_t size);
  void put_end_of_body();

  H1Parser parser_;
  HeadBuilder builder_;
  Fields trailers_;
  std::string head_text_;
  std::string websocket_accept_;
  std::vector<std::uint8_t> inbox_;  // what came and could not be worked through yet
  std::size_t inbox_used_ = 0;       // bytes at its front that are done with; less than all
  H1Exchange* current_ = nullptr;
  std::size_t unconsumed_ = 0;       // of the current body
  Framing framing_ = Framing::none;  // of what we send
  bool paused_ = false;              // too much is unconsumed
  bool message_done_ = false;        // of the peer
  bool dropping_ = false;  // server: nobody wants the rest of the message; what is here of it is thrown away
  bool held_end_due_ = false;
  bool tunnel_ = false;
  bool fin_ = false;  // the peer ended its direction
  bool fin_told_ = false;
  bool close_after_ = false;
  bool reading_ = true;
};

}  // namespace sallyport::http
