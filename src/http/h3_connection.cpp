// The life of an HTTP/3 connection: requests, shutting down (RFC 9114 §5), the end.
#include "http/h3_connection.h"

#include "base/hex.h"
#include "http/h3_connection_impl.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport::http {

namespace {

/// GOAWAY that only says "no more": the highest request ID there can be (RFC 9114 §5.2).
constexpr std::uint64_t notice_id = (std::uint64_t{1} << 62) - 4;
/// Time for requests that were on their way before the notice arrived, at least.
constexpr Duration shortest_notice = 100ms;

}  // namespace

H3ConnectionImpl::H3ConnectionImpl(quic::Connection& quic, RequestHandler& requests,
                                   ConnectionHandler* handler, const Limits& limits)
    : limits_(limits),
      requests_(&requests),
      handler_(handler),
      quic_(&quic),
      exchanges_(quic.timers(), limits_, *this),
      info_{.version = Version::http3, .server = true, .tls = "TLS1.3"} {
  exchanges_.set_log(requests.log());
  exchanges_.watch_idle();
  note_session();
}

H3ConnectionImpl::H3ConnectionImpl(net::Timers& timers, ConnectionHandler& handler, const Limits& limits)
    : limits_(limits),
      requests_(nullptr),
      handler_(&handler),
      exchanges_(timers, limits_, *this),
      info_{.version = Version::http3, .tls = "TLS1.3"} {}

H3ConnectionImpl::~H3ConnectionImpl() {
  closing_ = true;
  exchanges_.clear();
}

void H3ConnectionImpl::start(std::unique_ptr<quic::Connection> quic) {
  owned_quic_ = std::move(quic);
  quic_ = owned_quic_.get();
  note_session();
}

const ConnectionInfo& H3ConnectionImpl::info() const {
  // Once it is closed, what it was last.
  if (quic_ != nullptr) {
    info_.path = quic_->path();
    info_.address_validated = quic_->is_address_validated();
    // GnuTLS tells a server the cipher suite only when the handshake is complete, after the first requests.
    if (info_.cipher.empty()) info_.cipher = quic_->cipher();
    // A server is told of the connection before the client's Certificate message came (0.5-RTT).
    if (!info_.client_certificate) info_.client_certificate = quic_->client_certificate();
  }
  return info_;
}

/// Known from the start, or by the handshake.
void H3ConnectionImpl::note_session() {
  info_.id = to_hex(quic_->original_destination_id());
  info_.server_name = quic_->server_name();
  info_.cipher = quic_->cipher();
  info_.certificate = quic_->certificate();
}

std::optional<bool> H3ConnectionImpl::takes_datagrams() const {
  if (peer_settings() == nullptr) return std::nullopt;
  return peer_settings()->datagrams && quic_->peer_takes_datagrams();
}

// Requests of ours

bool H3ConnectionImpl::can_request() const {
  return !is_server() && !closing_ && !draining_ && !peer_drains_;
}

std::size_t H3ConnectionImpl::free_streams() const {
  if (!can_request() || !streams_open_) return 0;
  const std::size_t left = quic_->bidirectional_streams_left();
  return left - std::min(left, waiting_.size());
}

Exchange& H3ConnectionImpl::request(Request request, ExchangeHandler& handler, bool end) {
  auto made = std::make_unique<H3Exchange>(*this, std::move(request), handler, end);
  H3Exchange& exchange = *made;
  exchanges_.add(std::move(made));
  if (!can_request())
    exchange.fail(ResetCode::refused, {closing_ ? ErrorKind::closed : ErrorKind::refused,
                                       "the connection accepts no more requests"});
  else if (exchange.check_length() && (!waiting_.empty() || try_open(exchange) != Opening::done))
    waiting_.push_back(&exchange);
  return exchange;
}

H3ConnectionImpl::Opening H3ConnectionImpl::try_open(H3Exchange& exchange) {
  if (exchange.is_ending()) return Opening::done;
  if (!streams_open_ && !(quic_->can_send_early() && exchange.may_go_early())) return Opening::not_yet;
  open_control();
  if (exchange.is_extended_connect()) {
    if (peer_settings() == nullptr) return Opening::not_yet;
    if (!peer_settings()->extended_connect) {
      exchange.fail(ResetCode::cancelled,
                    {ErrorKind::protocol, "the server does not support extended CONNECT (RFC 9220)"});
      return Opening::done;
    }
  }
  const auto id = quic_->open_bidirectional();
  if (!id) return Opening::no_stream;
  streams_.insert(*id, &exchange);
  exchange.open(*id);
  return Opening::done;
}

void H3ConnectionImpl::open_waiting() {
  if (waiting_.empty()) return;
  // What cannot go yet keeps its place; what a handler adds meanwhile comes behind.
  std::vector<H3Exchange*> trying;
  trying.swap(waiting_);
  bool streams_left = true;
  std::erase_if(trying, [&](H3Exchange* exchange) {
    if (!streams_left) return false;
    const Opening opening = try_open(*exchange);
    streams_left = opening != Opening::no_stream;
    return opening == Opening::done;
  });
  waiting_.insert(waiting_.begin(), trying.begin(), trying.end());
}

void H3ConnectionImpl::on_established(Time) {
  streams_open_ = true;
  note_session();
  open_control();
  open_waiting();
}

void H3ConnectionImpl::on_streams_available() {
  open_control();
  if (decoder_stream_ && decoder_stream_->id < 0)
    decoder_stream_->id = quic_->open_unidirectional().value_or(-1);
  open_waiting();
}

void H3ConnectionImpl::on_early_data_rejected(Time) {
  streams_.clear();
  control_ = {};
  offering_ = nullptr;
  std::vector<H3Exchange*> again;
  exchanges_.for_each([&](ExchangeBase& base) {
    auto& exchange = static_cast<H3Exchange&>(base);
    if (!exchange.is_open()) return;
    // One that is ending, too: its ID will be another's.
    exchange.restart();
    if (!exchange.is_ending()) again.push_back(&exchange);
  });
  waiting_.insert(waiting_.begin(), again.begin(), again.end());
}

// The end

void H3ConnectionImpl::on_exchange_gone(ExchangeBase& base) {
  auto& exchange = static_cast<H3Exchange&>(base);
  scheduler_.remove(exchange);
  if (offering_ == &exchange) offering_ = nullptr;
  if (last_tunnel_ == &exchange) last_tunnel_ = nullptr;
  if (exchange.id() < 0) {
    std::erase(waiting_, &exchange);
  } else {
    if (!blocked_.empty()) std::erase(blocked_, &exchange);
    if (early_datagrams_) early_datagrams_->drop(exchange.id());
    if (const std::size_t credit = exchange.take_uncredited(); credit > 0)
      quic_->consume(exchange.id(), credit);
    // QUIC may still bring something for it.
    if (exchange.is_open())
      if (auto* const entry = streams_.find(exchange.id())) entry->exchange = nullptr;
  }
  close_when_idle();
}

// QUIC's own idle timeout is put off by anything, PING too. What a client of ours keeps is its own matter.
void H3ConnectionImpl::on_idle() {
  if (is_server()) shutdown();
}

void H3ConnectionImpl::send_goaway(std::uint64_t id) {
  if (control_.id < 0) return;
  std::array<std::uint8_t, 8> payload;
  append_control_frame(H3Frame::goaway, Bytes(payload).first(put_varint(payload, id)), id);
}

void H3ConnectionImpl::shutdown() {
  if (draining_ || closing_) return;
  draining_ = true;
  if (!is_server()) {
    send_goaway(0);  // we take no pushes, so there is none to name
    return close_when_idle();
  }
  send_goaway(notice_id);
  own_goaway_ = notice_id;
  drain_timer_ = std::make_unique<net::Timer>(timers(), [this](Time) { end_drain(); });
  drain_timer_->arm(timers().now() + std::max(shortest_notice, 2 * quic_->stats().smoothed_rtt));
}

/// The notice has arrived by now: says which requests are still answered, and takes no others.
void H3ConnectionImpl::end_drain() {
  own_goaway_ = static_cast<std::uint64_t>(next_request_);
  send_goaway(own_goaway_);
  close_when_idle();
}

void H3ConnectionImpl::close_when_idle() {
  if (closing_ || exchanges_.size() > 0) return;
  const bool done = is_server() ? draining_ && !drain_timer_->armed() : draining_ || peer_drains_;
  if (!done) return;
  closing_ = true;
  quic_->close(static_cast<std::uint64_t>(H3Code::no_error), "");
}

void H3ConnectionImpl::close_with(H3Code code, const Error& why) {
  if (std::exchange(closing_, true)) return;
  exchanges_.close_all(why);
  quic_->close(static_cast<std::uint64_t>(code), why.message);
}

void H3ConnectionImpl::close(const Error& why) {
  H3Code code = H3Code::internal_error;
  if (why.kind == ErrorKind::cancelled || why.kind == ErrorKind::closed) code = H3Code::no_error;
  if (why.kind == ErrorKind::protocol) code = H3Code::general_protocol_error;
  close_with(code, why);
}

Result<> H3ConnectionImpl::spend(std::uint32_t events) {
  if (exchanges_.budget.spend(timers().now(), events)) return {};
  ++exchanges_.counters.budget_exceeded;
  return h3_failure(H3Code::excessive_load, "abuse limit exceeded");
}

void H3ConnectionImpl::close_for_abuse() {
  close_with(H3Code::excessive_load, {ErrorKind::protocol, "abuse limit exceeded"});
}

void H3ConnectionImpl::on_closed(const quic::Closed& why) {
  closing_ = true;
  const Error error = why.to_error(name_of_h3);
  drain_timer_.reset();
  early_datagrams_.reset();
  // Nobody's call is on the stack: QUIC ends connections at the end of a turn.
  exchanges_.end_all(error);
  waiting_.clear();
  if (handler_ != nullptr) handler_->on_connection_closed(*this, why.clean() ? nullptr : &error);
  if (is_server()) quic_ = nullptr;  // the endpoint destroys it, in its own order
}

std::unique_ptr<H3Connection> make_h3_server(quic::Connection& quic, RequestHandler& requests,
                                             ConnectionHandler* handler, const Limits& limits) {
  return std::make_unique<H3ConnectionImpl>(quic, requests, handler, limits);
}

Result<std::unique_ptr<H3Connection>> make_h3_client(const quic::Environment& environment,
                                                     net::DatagramPath& path, const quic::ClientOptions& quic,
                                                     ConnectionHandler& handler, const Limits& limits) {
  auto connection = std::make_unique<H3ConnectionImpl>(environment.timers, handler, limits);
  auto transport = quic::Connection::connect(environment, path, *connection, quic);
  if (!transport) return std::unexpected(std::move(transport.error()));
  connection->start(std::move(*transport));
  return connection;
}

}  // namespace sallyport::http
