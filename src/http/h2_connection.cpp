#include "http/h2_connection.h"

#include "http/h2_error.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace sallyport::http {
namespace {

// How long a server waits for new requests that crossed its first GOAWAY (RFC 9113 §6.8), where the peer does
// not answer PING.
constexpr Duration drain_notice = 1s;

}  // namespace

H2Connection::H2Connection(StreamSetup setup, RequestHandler* requests)
    : StreamConnection(std::move(setup), Version::http2, requests != nullptr),
      requests_(requests),
      session_(open_h2_session(*this, requests != nullptr)),
      watch_(requests != nullptr),
      long_strings_(requests != nullptr),
      builder_(limits()),
      window_(h2_connection_window, h2_largest_window),
      setup_(timers(),
             [this](Time) {
               fail(NGHTTP2_SETTINGS_TIMEOUT, {ErrorKind::timeout, "HTTP/2 connection preface timeout"});
             }),
      drain_(timers(), [this](Time) { submit_final_goaway(); }) {
  if (requests != nullptr) exchanges().set_log(requests->log());
  submit_settings();
  setup_.arm(timers().now() + limits().header_timeout);
  start();
  send_soon();
}

H2Connection::~H2Connection() {
  destroy_exchanges();
}

void H2Connection::submit_settings() {
  std::array<nghttp2_settings_entry, 5> settings;
  std::size_t count = 0;
  const auto add = [&](std::int32_t id, std::size_t value) {
    settings[count++] = {id, static_cast<std::uint32_t>(value)};
  };
  add(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, h2_stream_window);
  add(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits().max_section_size);
  if (is_server()) {
    // A client's streams stay in the tree of RFC 7540, in which they take turns.
    add(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1);
    add(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits().max_concurrent_streams);
    add(NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1);
  } else {
    add(NGHTTP2_SETTINGS_ENABLE_PUSH, 0);
  }
  nghttp2_submit_settings(session_.get(), NGHTTP2_FLAG_NONE, settings.data(), count);
  resize_window(0, window_);
  settings_sent_ = timers().now();
}

// Requests

Exchange& H2Connection::request(Request request, ExchangeHandler& handler, bool end) {
  auto owned = std::make_unique<H2Exchange>(exchanges(), *this, false);
  H2Exchange& exchange = *owned;
  exchanges().add(std::move(owned));
  exchange.begin_request(std::move(request), handler, end);
  if (!can_request())
    exchange.fail(ResetCode::refused, {ErrorKind::refused, "the HTTP/2 connection accepts no more requests"});
  else if (!exchange.check_length())
    return exchange;
  else if (!exchange.request().protocol.empty() && !peer_settings_)
    waiting_.push_back(&exchange);
  else
    submit_request(exchange);
  return exchange;
}

bool H2Connection::can_request() const {
  return !is_server() && is_open() && !failure_ && !draining_ && !close_when_done_ &&
         nghttp2_session_check_request_allowed(session_.get()) != 0;
}

std::size_t H2Connection::free_streams() const {
  if (!can_request() || !peer_settings_) return 0;
  const std::size_t limit =
      nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return limit - std::min(limit, open_exchanges());
}

void H2Connection::submit_request(H2Exchange& exchange) {
  if (!exchange.request().protocol.empty() &&
      nghttp2_session_get_remote_settings(session_.get(), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) != 1)
    return exchange.fail(
        ResetCode::cancelled,
        {ErrorKind::protocol, "the peer does not support extended CONNECT over HTTP/2 (RFC 8441)"});
  fields_.set(exchange.request());
  const nghttp2_data_provider body = h2_body_provider();
  const bool end = exchange.end_queued() && exchange.queue().empty() && exchange.trailers().empty();
  const std::int32_t id = nghttp2_submit_request(session_.get(), nullptr, fields_.data(), fields_.size(),
                                                 end ? nullptr : &body, &exchange);
  if (id < 0)
    return exchange.fail(ResetCode::refused,
                         {ErrorKind::refused, "the stream IDs of the HTTP/2 connection are exhausted"});
  exchange.attach(id);
  send_soon();
}

void H2Connection::submit_response(H2Exchange& exchange, const Response& head, bool end) {
  fields_.set(head);
  const nghttp2_data_provider body = h2_body_provider();
  nghttp2_submit_response(session_.get(), static_cast<std::int32_t>(exchange.stream_id()), fields_.data(),
                          fields_.size(), end ? nullptr : &body);
  if (in_turns_) schedule(exchange);
  send_soon();
}

void H2Connection::submit_informational(H2Exchange& exchange, const Response& head) {
  fields_.set(head);
  nghttp2_submit_headers(session_.get(), NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(exchange.stream_id()),
                         nullptr, fields_.data(), fields_.size(), nullptr);
  send_soon();
}

void H2Connection::resume(H2Exchange& exchange) {
  nghttp2_session_resume_data(session_.get(), static_cast<std::int32_t>(exchange.stream_id()));
}

void H2Connection::reset(H2Exchange& exchange, ResetCode code) {
  // A peer that makes us reset its streams has the work done as cheaply as one that resets them itself.
  if (code == ResetCode::message_error || code == ResetCode::datagram_error ||
      code == ResetCode::excessive_load)
    count_abuse(1);
  const auto id = static_cast<std::int32_t>(exchange.stream_id());
  detach(exchange);
  nghttp2_submit_rst_stream(session_.get(), NGHTTP2_FLAG_NONE, id, h2_code(code));
  send_soon();
}

void H2Connection::detach(H2Exchange& exchange) {
  if (!exchange.is_attached()) return;
  nghttp2_session_set_stream_user_data(session_.get(), static_cast<std::int32_t>(exchange.stream_id()),
                                       nullptr);
  credit_connection(exchange.detach());
}

void H2Connection::tunnel_opened(H2Exchange& exchange) {
  if (std::exchange(in_turns_, true)) return schedule(exchange);
  exchanges().for_each([this](ExchangeBase& each) { schedule(static_cast<H2Exchange&>(each)); });
}

void H2Connection::schedule(H2Exchange& exchange) {
  if (!exchange.is_attached()) return;
  const auto id = static_cast<std::int32_t>(exchange.stream_id());
  const Priority& wanted = exchange.request().priority;
  const nghttp2_extpri priority{.urgency = wanted.urgency, .inc = in_turns_ || wanted.incremental ? 1 : 0};
  // nghttp2 would still go by the request's field after on_frame_recv.
  constexpr int ignore_field = 1;
  nghttp2_session_change_extpri_stream_priority(session_.get(), id, &priority, ignore_field);
}

// Credit

void H2Connection::credit(H2Exchange& exchange, quic::ReceiveWindow& window, std::size_t bytes) {
  const auto id = static_cast<std::int32_t>(exchange.stream_id());
  nghttp2_session_consume_stream(session_.get(), id, bytes);
  if (window.consumed(bytes, timers().now(), round_trip_)) resize_window(id, window);
  credit_connection(bytes);
}

void H2Connection::credit_connection(std::size_t bytes) {
  if (bytes == 0) return;
  nghttp2_session_consume_connection(session_.get(), bytes);
  if (window_.consumed(bytes, timers().now(), round_trip_)) resize_window(0, window_);
  send_soon();
}

void H2Connection::resize_window(std::int32_t id, const quic::ReceiveWindow& window) {
  nghttp2_session_set_local_window_size(session_.get(), NGHTTP2_FLAG_NONE, id,
                                        static_cast<std::int32_t>(window.size()));
}

// What comes in

void H2Connection::received(Bytes bytes) {
  if (failure_) return;
  count_abuse(watch_.feed(bytes));
  if (watch_.saw_wrong_stream())
    fail(NGHTTP2_PROTOCOL_ERROR,
         {ErrorKind::protocol, "frame on a stream that must not carry it", NGHTTP2_PROTOCOL_ERROR});
  if (failure_) return;
  const Bytes in = long_strings_.feed(bytes);
  if (const ssize_t read = nghttp2_session_mem_recv(session_.get(), in.data(), in.size()); read < 0)
    failed_library(static_cast<int>(read));
  send_soon();
}

void H2Connection::received_fin() {
  const std::optional<Error>& why = failure_ ? failure_ : goaway_error_;
  if (why) return end(&*why);
  if (exchanges().size() == 0) return end(nullptr);
  const Error cut{ErrorKind::closed, "the peer closed the HTTP/2 connection with requests open"};
  end(&cut);
}

void H2Connection::settings_received() {
  if (std::exchange(peer_settings_, true)) return;
  setup_.disarm();
  for (H2Exchange* const exchange : std::exchange(waiting_, {})) submit_request(*exchange);
  if (handler() != nullptr) handler()->on_ready(*this);
}

void H2Connection::settings_acknowledged() {
  if (round_trip_ == Duration::zero()) round_trip_ = timers().now() - settings_sent_;
}

void H2Connection::priority_update_received(const nghttp2_frame_hd& head) {
  if (!is_server())
    return fail(NGHTTP2_PROTOCOL_ERROR,
                {ErrorKind::protocol, "a server must not send PRIORITY_UPDATE", NGHTTP2_PROTOCOL_ERROR});
  auto update = priority_update_.finish(head);
  if (!update) {
    const auto code = static_cast<std::uint32_t>(update.error().code);
    return fail(code, std::move(update.error()));
  }
  if (!update->priority) return;
  auto* const exchange =
      static_cast<H2Exchange*>(nghttp2_session_get_stream_user_data(session_.get(), update->stream));
  if (exchange != nullptr) {
    exchange->mutable_request().priority = *update->priority;
    schedule(*exchange);
  } else if (update->stream > nghttp2_session_get_last_proc_stream_id(session_.get())) {
    early_priorities_.put(update->stream, *update->priority);
  }
}

void H2Connection::goaway_received(const nghttp2_goaway& frame) {
  if (frame.error_code != NGHTTP2_NO_ERROR && !goaway_error_)
    goaway_error_ = h2_goaway_error(frame.error_code, true);
  if (!std::exchange(draining_, true) && handler() != nullptr) handler()->on_goaway(*this);
}

void H2Connection::goaway_sent(const nghttp2_goaway& frame) {
  // Where failure_ is set it says more.
  if (frame.error_code != NGHTTP2_NO_ERROR && !goaway_error_)
    goaway_error_ = h2_goaway_error(frame.error_code, false);
}

// The end

void H2Connection::shutdown() {
  if (!is_open() || failure_ || close_when_done_) return;
  close_when_done_ = true;
  if (!is_server()) {
    if (exchanges().size() == 0) idled();
    return;
  }
  // Two steps (RFC 9113 §6.8): requests that are on their way are still taken, those after the final GOAWAY
  // are not.
  draining_ = true;
  nghttp2_submit_shutdown_notice(session_.get());
  nghttp2_submit_ping(session_.get(), NGHTTP2_FLAG_NONE, nullptr);
  drain_.arm(timers().now() + drain_notice);
  send_soon();
}

void H2Connection::submit_final_goaway() {
  drain_.disarm();
  final_goaway_ = true;
  send_soon();
}

void H2Connection::idled() {
  submit_final_goaway();
}

void H2Connection::close(const Error& why) {
  if (!is_open() || failure_) return;
  std::uint32_t code = NGHTTP2_INTERNAL_ERROR;
  if (why.kind == ErrorKind::cancelled || why.kind == ErrorKind::closed) code = NGHTTP2_NO_ERROR;
  if (why.kind == ErrorKind::protocol) code = NGHTTP2_PROTOCOL_ERROR;
  fail(code, why);
  exchanges().close_all(why);
}

void H2Connection::count_abuse(std::uint32_t events) {
  if (events == 0 || failure_ || spend(events)) return;
  ++exchanges().counters.budget_exceeded;
  fail(NGHTTP2_ENHANCE_YOUR_CALM, {ErrorKind::protocol, "abuse limit exceeded", NGHTTP2_ENHANCE_YOUR_CALM});
}

void H2Connection::fail(std::uint32_t code, Error why) {
  if (!is_open() || failure_) return;
  failure_ = std::move(why);
  failure_code_ = code;
  send_soon();
}

void H2Connection::failed_library(int error) {
  if (error == NGHTTP2_ERR_FLOODED || error == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS) {
    ++exchanges().counters.budget_exceeded;
    return fail(NGHTTP2_ENHANCE_YOUR_CALM,
                {ErrorKind::protocol, nghttp2_strerror(error), NGHTTP2_ENHANCE_YOUR_CALM});
  }
  const std::uint32_t code =
      error == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_INTERNAL_ERROR;
  fail(code, {ErrorKind::protocol, std::string("HTTP/2 error: ") + nghttp2_strerror(error), code});
}

void H2Connection::on_exchange_gone(ExchangeBase& gone) {
  auto& exchange = static_cast<H2Exchange&>(gone);
  std::erase(waiting_, &exchange);
  if (building_ == &exchange) building_ = nullptr;
  // Its handler is done with it, the stream is not.
  if (exchange.is_attached()) reset(exchange, exchange.stop_code());
  if (close_when_done_ && !is_server() && exchanges().size() == 0) idled();
}

// What goes out

void H2Connection::send() {
  if (failure_) {
    nghttp2_session_terminate_session(session_.get(), failure_code_);
    send_last_words();
    const Error why = *failure_;
    return end(&why);
  }
  // Not before what came in this turn was taken: requests behind the PING's answer, in one segment with it,
  // are among those that this has to name.
  if (!is_full() && std::exchange(final_goaway_, false))
    nghttp2_submit_goaway(session_.get(), NGHTTP2_FLAG_NONE,
                          nghttp2_session_get_last_proc_stream_id(session_.get()), NGHTTP2_NO_ERROR, nullptr,
                          0);
  while (!is_full() && send_frame()) {
  }
  if (!is_open() || failure_) return;
  if (nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0)
    end(goaway_error_ ? &*goaway_error_ : nullptr);
}

bool H2Connection::send_frame() {
  const std::uint8_t* data = nullptr;
  const ssize_t size = nghttp2_session_mem_send(session_.get(), &data);
  if (size < 0) failed_library(static_cast<int>(size));
  if (size <= 0) return false;
  gather().put(Bytes(data, static_cast<std::size_t>(size)));
  return true;
}

void H2Connection::send_last_words() {
  // GOAWAY stands before all DATA, and nothing is wanted after it.
  while (nghttp2_session_want_write(session_.get()) != 0 && send_frame()) {
  }
}

// Making them

std::unique_ptr<Connection> make_h2_server(net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                           const StreamSecurity& security, RequestHandler& requests,
                                           ConnectionHandler* handler, const Limits& limits) {
  return std::make_unique<H2Connection>(StreamSetup{timers, std::move(stream), security, handler, limits},
                                        &requests);
}

std::unique_ptr<Connection> make_h2_client(net::Timers& timers, std::unique_ptr<net::ByteStream> stream,
                                           const StreamSecurity& security, ConnectionHandler& handler,
                                           const Limits& limits) {
  return std::make_unique<H2Connection>(StreamSetup{timers, std::move(stream), security, &handler, limits},
                                        nullptr);
}

}  // namespace sallyport::http
