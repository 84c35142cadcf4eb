#include "http/h1_server.h"

#include "http/h1_head.h"
#include "http/h1_websocket.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

namespace sallyport::http {
namespace {

// The protocols that extended CONNECT carries over HTTP/2 and /3. Any other Upgrade (h2c, TLS) is ignored, as
// RFC 9110 §7.8 lets a server.
constexpr std::array<std::string_view, 4> upgrades = {"websocket", "connect-udp", "connect-ip",
                                                      "connect-tcp"};

std::string_view wanted_upgrade(const H1Head& head) {
  if (!head.upgrade || head.method != "GET" || head.version != Version::http1_1 ||
      head.framing != H1Framing::none)
    return {};
  const auto value = head.fields.joined("upgrade");
  if (!value) return {};
  for (const std::string_view protocol : upgrades)
    if (has_token(*value, protocol)) return protocol;
  return {};
}

/// The request target (RFC 9112 §3.2) in its parts.
struct Target {
  std::string_view scheme;
  std::string_view authority;
  std::string_view path;
};

Target split_target(const H1Head& head, std::string_view own_scheme) {
  const std::string_view target = head.target;
  if (head.method == "CONNECT") return {{}, target, {}};
  const std::size_t scheme_end = target.find("://");
  if (target.starts_with('/') || target == "*" || scheme_end == std::string_view::npos)
    return {own_scheme, {}, target};
  const std::string_view rest = target.substr(scheme_end + 3);
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view path = rest.substr(authority_end);
  return {target.substr(0, scheme_end), rest.substr(0, authority_end),
          path.empty() ? std::string_view("/") : path};
}

}  // namespace

H1Server::H1Server(StreamSetup setup, RequestHandler& requests)
    : H1Connection(std::move(setup), true), requests_(requests), slow_head_(timers(), [this](Time) {
        refuse(408, {ErrorKind::timeout, "request header timeout", 408});
      }) {
  exchanges().set_log(requests.log());
  start();
}

H1Server::~H1Server() {
  destroy_exchanges();
}

Exchange& H1Server::request(Request, ExchangeHandler&, bool) {
  assert(!"a server makes no requests");
  std::unreachable();
}

void H1Server::shutdown() {
  draining_ = true;
  if (current() == nullptr)
    end(nullptr);
  else
    close_afterwards();
}

void H1Server::idled() {
  end(nullptr);
}

// Receiving

void H1Server::worked() {
  // What we do not read, because responses before it are not read, is not late.
  if (current() != nullptr || !has_partial() || is_full()) {
    slow_head_.disarm();
    head_began_.reset();
  } else if (!slow_head_.armed()) {
    head_began_ = timers().now();
    slow_head_.arm(*head_began_ + limits().header_timeout);
  }
}

/// The head as HeadBuilder takes it: as if it had come over HTTP/2.
Verdict H1Server::build(H1Exchange& exchange, const H1Head& head) {
  const std::string_view protocol = wanted_upgrade(head);
  const Target target = split_target(head, has_tls() ? "https" : "http");
  builder().begin_request(exchange.mutable_request(), head.version, true);
  builder().add(":method", protocol.empty() ? std::string_view(head.method) : "CONNECT");
  if (!protocol.empty()) builder().add(":protocol", protocol);
  if (!target.scheme.empty()) builder().add(":scheme", target.scheme);
  if (!target.authority.empty()) builder().add(":authority", target.authority);
  if (!target.path.empty()) builder().add(":path", target.path);
  for (const Fields::Field field : head.fields) builder().add(field.name, field.value);
  return builder().finish();
}

void H1Server::head_received(bool done) {
  slow_head_.disarm();
  const H1Head& head = parser().head();
  auto owned = std::make_unique<H1Exchange>(exchanges(), *this, head.version, true);
  H1Exchange& exchange = *owned;
  exchanges().add(std::move(owned));
  exchange.note_started(std::exchange(head_began_, {}).value_or(timers().now()));
  set_current(exchange, Framing::held);
  const Verdict verdict = build(exchange, head);
  if (verdict.ok() && exchange.request().protocol == "websocket" && !take_websocket_key(exchange)) return;
  if (!head.keep_alive || !verdict.ok() || draining_) close_afterwards();
  // What is no tunnel yet may get one, so its end is not said before the response.
  const bool may_tunnel = verdict.ok() && exchange.request().is_connect();
  if (may_tunnel) hold_message();
  exchange.received_request(requests_, verdict, builder().content_length(), done && !may_tunnel);
  if (may_tunnel || exchange.is_ending() || !is_open()) return;
  if (done) message_received();
}

bool H1Server::take_websocket_key(H1Exchange& exchange) {
  Fields& fields = exchange.mutable_request().fields;
  if (fields.find("sec-websocket-version") != websocket_version) {
    refuse(426, {ErrorKind::protocol, "unsupported sec-websocket-version", 426},
           "upgrade: websocket\r\nsec-websocket-version: 13\r\n");
    return false;
  }
  if (!has_websocket_key(fields)) {
    refuse(400, {ErrorKind::protocol, "no valid sec-websocket-key", 400});
    return false;
  }
  websocket_accept_value() = websocket_accept(*fields.find("sec-websocket-key"));
  fields.remove("sec-websocket-key");
  return true;
}

void H1Server::message_refused(const Error& why) {
  // Inside a message whose response has begun there is nothing left to say.
  if (current() != nullptr && current()->has_response()) return drop(&why);
  refuse(static_cast<unsigned>(why.code), why);
}

void H1Server::refuse(unsigned status, const Error& why, std::string_view more) {
  if (!is_open()) return;
  record_refusal(status, why);
  std::string& text = start_head();
  put_status_line(text, status);
  text += more;
  text += "content-length: 0\r\nconnection: close\r\n";
  put_end(text);
  send_head_text();
  end(&why);
}

void H1Server::record_refusal(unsigned status, const Error& why) {
  if (current() != nullptr) return current()->note_status(status);
  if (exchanges().log() == nullptr) return;
  ExchangeRecord record{
      .version = Version::http1_1, .status = status, .end = ExchangeEnd::reset, .why = &why};
  record.ended = timers().now();
  record.started = head_began_.value_or(record.ended);
  record.response_head = record.ended;
  exchanges().log()->on_exchange_ended(*this, record);
}

void H1Server::cut_off(const Error& why) {
  if (current() != nullptr) return drop(&why);
  end(&why);
}

void H1Server::reset_current(ResetCode code) {
  const Error why{ErrorKind::cancelled, "a cancelled response closes its HTTP/1.1 connection"};
  if (code == ResetCode::message_error && !current()->has_response()) return refuse(400, why);
  drop(&why);
}

// Sending

H1Connection::Framing H1Server::framing_of(const Response& head, bool end) const {
  const Request& request = current()->request();
  if (end || is_bodiless(head.status, request.method)) return Framing::none;
  if (head.fields.contains("content-length")) return Framing::length;
  return current()->version() == Version::http1_0 ? Framing::until_close : Framing::chunked;
}

void H1Server::put_response(const Response& head, bool end) {
  const Request& request = current()->request();
  std::string& text = start_head();
  if (head.status < 200) {
    if (current()->version() == Version::http1_0) return;  // RFC 9110 §15.2
    put_status_line(text, head.status);
    put_fields(text, head.fields);
    put_end(text);
    return send_head_text();
  }
  if (request.is_connect() && head.status < 300) {
    const bool upgrade = !request.protocol.empty();
    put_status_line(text, upgrade ? 101 : head.status);
    if (upgrade) {
      current()->note_status(101);
      text += "connection: upgrade\r\n";
      put_field(text, "upgrade", request.protocol);
    }
    for (const Fields::Field field : head.fields)
      if (field.name != "content-length" && !is_connection_specific(field.name))
        put_field(text, field.name, field.value);
    if (request.protocol == "websocket" && !head.fields.contains("sec-websocket-accept"))
      put_field(text, "sec-websocket-accept", websocket_accept_value());
    put_end(text);
    return send_head_text();
  }
  // What follows a tunnel's head that was refused may be meant for the tunnel: never take it for a request.
  if (request.is_connect()) {
    close_afterwards();
    end_held_message();
  }
  const Framing framing = framing_of(head, end);
  set_framing(framing);
  if (framing == Framing::until_close || draining_) close_afterwards();
  put_status_line(text, head.status);
  put_fields(text, head.fields);
  if (framing == Framing::chunked) text += "transfer-encoding: chunked\r\n";
  if (framing == Framing::none && !head.fields.contains("content-length") &&
      !is_bodiless(head.status, request.method))
    text += "content-length: 0\r\n";
  send_head_text();
  head_is_open_ = true;
}

/// RFC 9112 §9.6: who will close says so.
void H1Server::put_end_of_head() {
  if (!std::exchange(head_is_open_, false)) return;
  std::string& text = start_head();
  if (closes_afterwards())
    text += "connection: close\r\n";
  else if (current()->version() == Version::http1_0)
    text += "connection: keep-alive\r\n";
  put_end(text);
  send_head_text();
}

std::unique_ptr<Connection> make_h1_server(net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                           const StreamSecurity& security, RequestHandler& requests,
                                           ConnectionHandler* handler, const Limits& limits) {
  return std::make_unique<H1Server>(StreamSetup{timers, std::move(stream), security, handler, limits},
                                    requests);
}

}  // namespace sallyport::http
