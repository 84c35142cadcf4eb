#include "http/h1_client.h"

#include "http/h1_head.h"
#include "http/h1_websocket.h"

#include <cassert>
#include <string>
#include <utility>

namespace sallyport::http {

H1Client::H1Client(StreamSetup setup)
    : H1Connection(std::move(setup), false), ready_(timers(), [this](Time) {
        if (is_open()) handler()->on_ready(*this);
      }) {
  start();
  ready_.request();
}

H1Client::~H1Client() {
  destroy_exchanges();
}

bool H1Client::can_request() const {
  return is_open() && current() == nullptr && !closes_afterwards() && !has_partial();
}

void H1Client::shutdown() {
  close_afterwards();
  if (current() == nullptr) end(nullptr);
}

void H1Client::worked() {
  // Nobody asked for it. Whatever it is, be it a part of a head that the next response would be read into:
  // nothing on this connection can be trusted any more.
  if (current() == nullptr && has_partial()) drop(nullptr);
}

void H1Client::idled() {
  end(nullptr);
}

// Sending

Exchange& H1Client::request(Request request, ExchangeHandler& handler, bool end) {
  const bool free = can_request();
  auto owned = std::make_unique<H1Exchange>(exchanges(), *this, Version::http1_1, false);
  H1Exchange& exchange = *owned;
  exchanges().add(std::move(owned));
  exchange.begin_request(std::move(request), handler, end);
  if (!free)
    exchange.fail(ResetCode::refused, {ErrorKind::refused, "the HTTP/1.1 connection accepts no request now"});
  else if (exchange.check_length() && !put_request(exchange, end))
    exchange.fail(ResetCode::cancelled, {ErrorKind::usage, "the request cannot be expressed in HTTP/1.1"});
  return exchange;
}

bool H1Client::put_request(H1Exchange& exchange, bool end) {
  const Request& request = exchange.request();
  std::string& text = start_head();
  if (!put_request_line(text, request)) return false;
  put_field(text, "host", request.authority);
  const bool tunnel = request.is_connect();
  Framing framing = Framing::none;
  if (tunnel)
    framing = Framing::held;
  else if (!end)
    framing = request.fields.contains("content-length") ? Framing::length : Framing::chunked;
  if (exchange.is_upgrade()) put_upgrade(text, request);
  for (const Fields::Field field : request.fields)
    // TE speaks of the connection (RFC 9110 §10.1.4).
    if (field.name != "host" && field.name != "te" && !(tunnel && field.name == "content-length") &&
        !is_connection_specific(field.name) && !(exchange.is_upgrade() && field.name == "sec-websocket-key"))
      put_field(text, field.name, field.value);
  if (framing == Framing::chunked) text += "transfer-encoding: chunked\r\n";
  // RFC 9110 §8.6: where the method usually has content, its absence is said.
  if (framing == Framing::none && !request.fields.contains("content-length") &&
      (request.method == "POST" || request.method == "PUT" || request.method == "PATCH"))
    text += "content-length: 0\r\n";
  put_end(text);
  send_head_text();
  set_current(exchange, framing);
  parser().start(request.method == "HEAD");
  send_soon();
  return true;
}

void H1Client::put_upgrade(std::string& text, const Request& request) {
  text += "connection: upgrade\r\n";
  put_field(text, "upgrade", request.protocol);
  if (request.protocol != "websocket") return;
  const std::string key = make_websocket_key();
  websocket_accept_value() = websocket_accept(key);
  put_field(text, "sec-websocket-key", key);
  if (!request.fields.contains("sec-websocket-version"))
    put_field(text, "sec-websocket-version", websocket_version);
}

void H1Client::put_response(const Response&, bool) {
  assert(!"a client sends no responses");
}

// Receiving

void H1Client::head_received(bool done) {
  H1Head& head = parser().head();
  if (head.status < 200)
    interim_received(head);
  else
    final_received(head, done);
}

void H1Client::hand_over(unsigned status, const H1Head& head, bool complete) {
  builder().begin_response(response_, head.version);
  builder().add(":status", std::to_string(status));
  for (const Fields::Field field : head.fields) builder().add(field.name, field.value);
  const Verdict verdict = builder().finish();
  current()->received_response(response_, verdict, builder().content_length(), complete);
}

void H1Client::interim_received(H1Head& head) {
  const bool head_request = current()->request().method == "HEAD";
  if (head.status != 101) {
    hand_over(head.status, head);
    if (current() != nullptr && is_open()) parser().start(head_request);
    return;
  }
  const auto upgrade = head.fields.joined("upgrade");
  if (!current()->is_upgrade() || !head.upgrade || !upgrade ||
      !has_token(*upgrade, current()->request().protocol))
    return current()->fail(ResetCode::message_error,
                           {ErrorKind::protocol, "101 for a protocol that was not requested"});
  if (current()->request().protocol == "websocket") {
    if (head.fields.find("sec-websocket-accept") != websocket_accept_value())
      return current()->fail(
          ResetCode::message_error,
          {ErrorKind::protocol, "wrong sec-websocket-accept in the server's WebSocket handshake"});
    head.fields.remove("sec-websocket-accept");
  }
  hand_over(200, head);
}

void H1Client::final_received(const H1Head& head, bool done) {
  H1Exchange& exchange = *current();
  const bool success = head.status < 300;
  if (exchange.is_upgrade() && success)
    return exchange.fail(ResetCode::cancelled,
                         {ErrorKind::protocol,
                          "the server ignored the upgrade to " + exchange.request().protocol, head.status});
  if (!head.keep_alive || head.framing == H1Framing::until_close) close_afterwards();
  hand_over(head.status, head, done && !exchange.request().is_connect());
  if (exchange.is_ending() || !is_open()) return;
  if (exchange.request().is_connect()) {
    if (success) return;  // a tunnel now
    // What waited to enter it has nowhere to go.
    exchange.received_stop(true, {});
    close_afterwards();
  }
  if (done) message_received();
}

void H1Client::message_refused(const Error& why) {
  const Error error{why.kind, "the server's response: " + why.message};
  drop(&error);
}

void H1Client::cut_off(const Error& why) {
  const bool answered = current() != nullptr && current()->has_response();
  const Error error =
      answered ? why : Error{ErrorKind::closed, "the server closed the connection without a response"};
  drop(&error);
}

void H1Client::reset_current(ResetCode) {
  // The connection ends with its exchange, and for the same reason.
  const Error why = current()->why_ended().value_or(
      Error{ErrorKind::cancelled, "a cancelled request closes its HTTP/1.1 connection"});
  drop(&why);
}

std::unique_ptr<Connection> make_h1_client(net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                           const StreamSecurity& security, ConnectionHandler& handler,
                                           const Limits& limits) {
  return std::make_unique<H1Client>(StreamSetup{timers, std::move(stream), security, &handler, limits});
}

}  // namespace sallyport::http
