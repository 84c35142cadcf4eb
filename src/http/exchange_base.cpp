#include "http/exchange_base.h"

#include "base/varint.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>
#include <vector>

namespace sallyport::http {

namespace {

// A server that sends more interim responses than this is up to something (bad input 45).
constexpr std::uint8_t max_informational = 64;
// RFC 9298 §5: no UDP payload, and so no datagram of ours, is longer.
constexpr std::size_t max_capsule_datagram = 65'535;
// What may be queued on a connection before each exchange is given small pieces only, and one at a time.
constexpr std::size_t connection_high_water = 1024 * 1024;
constexpr std::size_t small_piece = 16 * 1024;

// Apart from the list, because it is asked after the list's end: an exchange may die with another
// thread-local object.
thread_local bool requests_ended = false;

/// Requests of exchanges that ended, empty, for their memory: what the next request of this thread is built
/// in.
class RecycledRequests {
 public:
  ~RecycledRequests() { requests_ended = true; }
  Request take() {
    if (requests_ended || idle_.empty()) return {};
    Request request = std::move(idle_.back());
    idle_.pop_back();
    return request;
  }
  void give(Request request) {
    if (requests_ended || idle_.size() >= most || request.memory() > largest) return;
    request.clear();
    idle_.push_back(std::move(request));
  }

 private:
  static constexpr std::size_t most = 64;
  static constexpr std::size_t largest = 8192;  // an unusual one is not worth keeping
  std::vector<Request> idle_;
};

thread_local RecycledRequests recycled_requests;

}  // namespace

ExchangeBase::ExchangeBase(ExchangeSet& set, Connection& connection, Version version, bool server)
    : Exchange(connection, version, server),
      set_(set),
      moved_(set.timers().now()),
      idle_timeout_(set.limits().idle_timeout) {
  if (!server) return;
  request_ = recycled_requests.take();
  if (set.log() == nullptr) return;
  record_ = std::make_unique<ExchangeRecord>();
  record_->started = moved_;
}

ExchangeBase::~ExchangeBase() {
  drop_queue();
  if (server_) recycled_requests.give(std::move(request_));
}

// Sending

void ExchangeBase::begin_request(Request request, ExchangeHandler& handler, bool end) {
  request_ = std::move(request);
  handler_ = &handler;
  send_ = end ? Send::finished : Send::body;
  if (!request_.is_connect())
    if (const auto length = request_.fields.find("content-length"))
      if (const auto number = parse_content_length(*length)) declared_ = static_cast<std::int64_t>(*number);
  ++set_.counters.requests;
}

bool ExchangeBase::check_length() {
  if (!end_queued() || declared_ <= 0) return true;
  mismatch("a request without the content that its content-length announces");
  return false;
}

void ExchangeBase::inform(const Response& head) {
  assert(server_ && head.status >= 100 && head.status < 200 && head.status != 101);
  if (ended_ || send_ != Send::head) return;
  submit_head(head, false);
}

bool ExchangeBase::body_allowed(unsigned status) const {
  if (request_.is_connect() && status < 300) return true;  // a tunnel, by any 2xx (RFC 9110 §9.3.6)
  return request_.method != "HEAD" && status != 204 && status != 304;
}

void ExchangeBase::respond(const Response& head, bool end) {
  assert(server_ && head.status >= 200);
  if (ended_ || send_ != Send::head) return;
  touch();
  status_ = head.status;
  if (record_) {
    record_->status = head.status;
    if (const auto field = head.fields.find("proxy-status")) record_->proxy_status = *field;
  }
  discard_body_ = !body_allowed(head.status);
  if (!discard_body_ && !is_tunnel())
    if (const auto length = head.fields.find("content-length"))
      if (const auto number = parse_content_length(*length)) declared_ = static_cast<std::int64_t>(*number);
  if (end && declared_ > 0) return mismatch("a response without a body");
  send_ = end || discard_body_ ? Send::finished : Send::body;
  submit_head(head, send_ == Send::finished);
  if (is_tunnel() && !ended_) tunnel_opened();
  if (is_answered()) set_.watch(stall_deadline());
}

bool ExchangeBase::may_write(std::size_t size) {
  assert(ended_ || send_ != Send::head);
  if (ended_ || send_ != Send::body || size == 0) return false;
  if (declared_ >= 0) {
    if (size > static_cast<std::uint64_t>(declared_)) {
      mismatch("a body longer than its content-length");
      return false;
    }
    declared_ -= static_cast<std::int64_t>(size);
  }
  return true;
}

void ExchangeBase::queue_grew(std::size_t before) {
  set_.queued_ += queue_.size() - before;
  waits_ = waits_ || queue_.size() > high_water;
  submit_body();
}

void ExchangeBase::drop_queue() {
  set_.queued_ -= queue_.size();
  queue_.clear();
}

void ExchangeBase::write(Chunk body) {
  if (!may_write(body.size())) return;
  const std::size_t before = queue_.size();
  queue_.push(std::move(body));
  queue_grew(before);
}

void ExchangeBase::write(Bytes body) {
  if (!may_write(body.size())) return;
  const std::size_t before = queue_.size();
  queue_.append(body);
  queue_grew(before);
}

bool ExchangeBase::datagrams_full() const {
  return queue_.size() > (set_.queued_ <= connection_high_water ? high_water : small_piece);
}

std::size_t ExchangeBase::room() {
  std::size_t room = 0;
  if (set_.queued_ <= connection_high_water)
    room = queue_.size() > high_water ? 0 : Chunk::pooled_size;
  else if (queue_.empty())
    room = small_piece;
  waits_ = waits_ || room == 0;
  return room;
}

void ExchangeBase::finish(const Fields& trailers) {
  assert(ended_ || send_ != Send::head);
  if (ended_ || send_ != Send::body) return;
  // A body that was cut short must never look complete (bad input 45).
  if (declared_ > 0) return mismatch("a body shorter than its content-length");
  trailers_ = trailers;
  send_ = Send::finished;
  submit_body();
  if (is_answered()) set_.watch(stall_deadline());
}

void ExchangeBase::mismatch(std::string_view what) {
  fail(ResetCode::internal_error, {ErrorKind::cancelled, std::string(what) + " was to be sent"});
}

void ExchangeBase::reset(ResetCode code) {
  reset(code, {ErrorKind::cancelled, "the request was cancelled"});
}

void ExchangeBase::reset(ResetCode code, const Error& why) {
  fail(code, why);
}

void ExchangeBase::stop_reading(ResetCode code) {
  if (ended_ || receive_done()) return;
  receive_ = Receive::stopped;
  submit_stop(code);
  return_credit();
}

void ExchangeBase::return_credit() {
  unconsumed_ += std::exchange(uncredited_, 0);
  consume(unconsumed_);
}

void ExchangeBase::set_identity(std::string_view identity) {
  if (record_) record_->identity = identity;
}

void ExchangeBase::set_idle_timeout(Duration timeout) {
  idle_timeout_ = timeout;
  set_.watch(stall_deadline());
}

void ExchangeBase::consume(std::size_t bytes) {
  bytes = std::min(bytes, unconsumed_);
  if (bytes == 0) return;
  unconsumed_ -= bytes;
  submit_credit(bytes);
}

void ExchangeBase::sent_body(std::size_t bytes) {
  set_.queued_ -= bytes;
  set_.count_body(bytes);
  if (record_ && !capsules_) record_->bytes_out += bytes;
  if (bytes > 0) touch_sent();
  if (handler_ == nullptr || ended_ || queue_.size() > high_water / 2) return;
  if (waits_ && room() > 0) {
    waits_ = false;
    handler_->on_writable(*this);
  }
  if (datagram_refused_ && !ended_ && !datagrams_full()) {
    datagram_refused_ = false;
    handler_->on_datagrams_writable(*this);
  }
}

void ExchangeBase::sent_end() {
  assert(send_ == Send::finished || ended_);
  send_ = Send::ended;
  touch_sent();
}

// Datagrams and capsules

void ExchangeBase::use_capsules() {
  if (!capsules_) capsules_ = std::make_unique<CapsuleReader>(set_.limits().max_capsule);
}

std::size_t ExchangeBase::max_datagram_payload() const {
  return max_capsule_datagram;
}

bool ExchangeBase::send_datagram(Bytes prefix, Bytes payload) {
  if (ended_ || send_ != Send::body || !capsules_) return false;
  const std::size_t size = prefix.size() + payload.size();
  if (size > max_capsule_datagram) {
    ++set_.counters.datagrams_dropped_size;
    return false;
  }
  if (datagrams_full()) {
    ++set_.counters.datagrams_dropped_queue;
    datagram_refused_ = true;
    return false;
  }
  std::array<std::uint8_t, 16> head;
  const std::size_t head_size = put_capsule_head(head, capsule_datagram, size);
  const std::size_t before = queue_.size();
  queue_.append(Bytes(head).first(head_size), prefix, payload);
  ++set_.counters.datagrams_out;
  note_datagram_sent(payload.size());
  capsule_seen(true, capsule_datagram, size);
  queue_grew(before);
  return true;
}

void ExchangeBase::send_capsule(std::uint64_t type, Bytes value) {
  if (ended_ || send_ != Send::body) return;
  std::array<std::uint8_t, 16> head;
  const std::size_t head_size = put_capsule_head(head, type, value.size());
  const std::size_t before = queue_.size();
  queue_.append(Bytes(head).first(head_size), value);
  capsule_seen(true, type, value.size());
  queue_grew(before);
}

void ExchangeBase::received_capsules(Bytes body) {
  const auto wanted = [this](std::uint64_t type, std::uint64_t size) {
    capsule_seen(false, type, size);
    if (size <= set_.limits().max_capsule) return true;
    if (type != capsule_datagram) return false;
    // No payload of any kind is so long. The reader makes an error of it, as RFC 9298 §5 asks.
    ++set_.counters.datagrams_dropped_size;
    return true;
  };
  const auto found = [this](std::uint64_t type, Bytes value) -> Result<> {
    if (receive_done()) return {};  // the handler stopped reading at an earlier one
    if (type == capsule_datagram) {
      received_datagram(value);
      if (ended_) return sallyport::fail(ErrorKind::cancelled, "the exchange has ended");
      return {};
    }
    // Its bytes are the handler's from here on.
    uncredited_ -= value.size();
    unconsumed_ += value.size();
    if (auto result = handler_->on_capsule(*this, type, value); !result) return result;
    if (ended_) return sallyport::fail(ErrorKind::cancelled, "the exchange has ended");
    return {};
  };
  uncredited_ += body.size();
  auto result = capsules_->feed(body, wanted, found);
  if (receive_done()) return;  // all credit was given back by then
  const std::size_t keep = result ? capsules_->buffered() : 0;
  const std::size_t credit = uncredited_ - keep;
  uncredited_ = keep;
  if (credit > 0) submit_credit(credit);
  if (!result) fail(ResetCode::datagram_error, std::move(result.error()));
}

void ExchangeBase::received_datagram(Bytes payload) {
  if (ended_ || handler_ == nullptr) return;
  if (handler_->is_padding(payload)) return dropped_padding();
  ++set_.counters.datagrams_in;
  if (record_) {
    Bytes behind_context = payload;
    take_varint(behind_context);
    record_->bytes_in += behind_context.size();
  }
  touch();
  handler_->on_datagram(*this, payload);
}

// Receiving

bool ExchangeBase::hold_head() {
  const std::size_t size = request_.fields.section_size() + request_.path.size() + request_.authority.size();
  const HeldHeads::Verdict verdict = set_.heads_.hold(size, set_.limits().max_held_heads);
  if (verdict == HeldHeads::Verdict::held) {
    head_size_ = size;
    return true;
  }
  // Where other clients hold too much, nothing is wrong with this request.
  refuse_head(verdict == HeldHeads::Verdict::too_much_here ? 431 : 503);
  return false;
}

void ExchangeBase::refuse_head(unsigned status) {
  // The answer may have to wait for the client's window. What the log tells of it is kept.
  constexpr std::size_t kept = 256;
  request_.cut(kept);
  Response refusal{.status = status, .fields = {{"content-length", "0"}}};
  if (status == 503) refusal.fields.add("retry-after", "5");
  respond(refusal, true);
  stop_reading(ResetCode::no_error);
}

void ExchangeBase::received_request(RequestHandler& handler, const Verdict& verdict,
                                    std::optional<std::uint64_t> content_length, bool complete) {
  if (ended_) return;
  touch();
  request_complete_ = complete;
  ++set_.counters.requests;
  receive_ = Receive::body;
  switch (verdict.fault) {
    case Fault::none:
      if (!hold_head()) return;
      if (content_length && !request_.is_connect()) expected_ = static_cast<std::int64_t>(*content_length);
      handler.on_request(*this);
      assert(handler_ != nullptr || ended_ || send_ != Send::head);
      // RFC 9110 §10.1.1: a client that waits to be told to go on is told, unless it has its answer by now.
      if (!ended_ && send_ == Send::head && !receive_done() && !complete && !continue_held_ &&
          equal_ignoring_case(request_.fields.find("expect").value_or(""), "100-continue"))
        submit_head({.status = 100}, false);
      return;
    case Fault::malformed:
      return fail(ResetCode::message_error, {ErrorKind::protocol, std::string(verdict.reason)});
    case Fault::section_too_large:
    case Fault::uri_too_long:
      return refuse_head(status_for(verdict.fault));
  }
}

void ExchangeBase::received_response(Response& head, const Verdict& verdict,
                                     std::optional<std::uint64_t> content_length) {
  if (ended_) return;
  touch();
  if (!verdict.ok()) {
    const bool malformed = verdict.fault == Fault::malformed;
    return fail(malformed ? ResetCode::message_error : ResetCode::excessive_load,
                {malformed ? ErrorKind::protocol : ErrorKind::too_large,
                 "the response's header section: " + std::string(verdict.reason)});
  }
  if (receive_ != Receive::head)
    return fail(ResetCode::message_error, {ErrorKind::protocol, "a second final response"});
  if (head.status < 200) {
    if (++informational_ > max_informational)
      return fail(ResetCode::excessive_load, {ErrorKind::protocol, "too many interim responses"});
    handler_->on_informational(*this, head);
    return;
  }
  receive_ = Receive::body;
  status_ = head.status;
  // RFC 9110 §8.6: where it says nothing about this message.
  if (is_tunnel() || head.status == 204) {
    head.fields.remove("content-length");
    content_length.reset();
  }
  if (!body_allowed(head.status))
    expected_ = 0;
  else if (content_length)
    expected_ = static_cast<std::int64_t>(*content_length);
  // RFC 9297 §3.2: the content of a refusal is no data stream.
  if (!is_tunnel()) capsules_.reset();
  handler_->on_response(*this, head);
  if (is_tunnel() && !ended_) tunnel_opened();
}

void ExchangeBase::received_body(Bytes body) {
  if (body.empty()) return;
  if (ended_ || receive_done() || handler_ == nullptr) return submit_credit(body.size());
  touch();
  if (receive_ != Receive::body)
    return fail(ResetCode::message_error, {ErrorKind::protocol, "content where none is allowed"});
  if (expected_ >= 0) {
    if (body.size() > static_cast<std::uint64_t>(expected_)) {
      submit_credit(body.size());
      return fail(ResetCode::message_error,
                  {ErrorKind::protocol, "the body is longer than its content-length"});
    }
    expected_ -= static_cast<std::int64_t>(body.size());
  }
  set_.count_body(body.size());
  if (capsules_) {
    return received_capsules(body);
  }
  if (record_) record_->bytes_in += body.size();
  unconsumed_ += body.size();
  handler_->on_body(*this, body);
}

void ExchangeBase::received_trailers(const Fields& trailers, const Verdict& verdict) {
  if (ended_ || receive_done()) return;
  // RFC 9113 §8.5: no frames but DATA, and those that manage the stream.
  if (is_tunnel()) return fail(ResetCode::message_error, {ErrorKind::protocol, "HEADERS on an open tunnel"});
  if (!verdict.ok()) {
    return fail(verdict.fault == Fault::malformed ? ResetCode::message_error : ResetCode::excessive_load,
                {ErrorKind::protocol, "the trailer section: " + std::string(verdict.reason)});
  }
  if (receive_ != Receive::body)
    return fail(ResetCode::message_error, {ErrorKind::protocol, "trailers came where none belong"});
  receive_ = Receive::trailers;
  if (handler_ != nullptr && !capsules_) handler_->on_trailers(*this, trailers);
}

void ExchangeBase::received_end() {
  if (ended_ || receive_done()) return;
  touch();
  if (receive_ == Receive::head)
    return fail(ResetCode::message_error,
                {ErrorKind::protocol, "the stream ended before the header section"});
  if (expected_ > 0)
    return fail(ResetCode::message_error,
                {ErrorKind::protocol, "the body is shorter than its content-length"});
  if (capsules_ && !capsules_->at_boundary())
    return fail(ResetCode::datagram_error, {ErrorKind::protocol, "the stream ended inside a capsule"});
  receive_ = Receive::ended;
  request_complete_ = true;
  if (handler_ != nullptr) handler_->on_end(*this);
}

void ExchangeBase::received_reset(Error why) {
  if (ended_ || receive_done()) return;
  ++set_.counters.resets_in;
  give_up(ExchangeEnd::client_reset, ResetCode::cancelled, std::move(why));
}

void ExchangeBase::received_stop(bool benign, Error why) {
  if (ended_ || send_ == Send::ended) return;
  ++set_.counters.resets_in;
  if (server_ || !benign) return give_up(ExchangeEnd::client_reset, ResetCode::cancelled, std::move(why));
  send_ = Send::ended;
  drop_queue();
  // Whoever waits to write more need not any longer.
  if (std::exchange(waits_, false) && handler_ != nullptr) handler_->on_writable(*this);
}

// The end

void ExchangeBase::transport_closed(const Error* why) {
  if (ended_) return;
  ended_ = true;
  drop_queue();
  if (receive_done() && send_done()) {
    set_.budget.earn(1);
  } else {
    if (why != nullptr)
      why_ = *why;
    else
      why_ = Error{ErrorKind::closed, "the stream ended before request and response were complete"};
    // What the peer did against the rules of the version was answered with a reset below.
    note_end(why_->kind == ErrorKind::protocol ? ExchangeEnd::reset : ExchangeEnd::connection_closed);
  }
  set_.end_later(*this);
}

void ExchangeBase::fail(ResetCode code, Error why) {
  if (ended_) return;
  ++set_.counters.resets_out;
  give_up(ExchangeEnd::reset, code, std::move(why));
}

void ExchangeBase::give_up(ExchangeEnd how, ResetCode code, Error why) {
  ended_ = true;
  note_end(how);
  why_ = std::move(why);
  drop_queue();
  submit_reset(code);
  set_.end_later(*this);
}

bool ExchangeBase::may_time_out() const {
  // A tunnel has timeouts of its own, until both sides have ended it: what is left then is as any response.
  return !ended_ && !(is_tunnel() && !(end_queued() && receive_done()));
}

Time ExchangeBase::stall_deadline() const {
  return std::min(receive_deadline(), send_deadline());
}

Time ExchangeBase::receive_deadline() const {
  if (!may_time_out()) return never;
  if (server_ && receive_ == Receive::head) return moved_ + set_.limits().header_timeout;
  // Messages of one connection may wait for each other (RFC 9218 §10): a response that is not there yet may
  // stand behind another one that moves, and so may a request for which there is no stream yet.
  if (idle_timeout_ == Duration::zero()) return never;
  const bool peer_owes = !receive_done() && unconsumed_ == 0;
  // A server's handler that takes its time (an upstream does) is not the peer's doing.
  if (!peer_owes) return never;
  const Time owed_since = server_ ? moved_ : std::max(moved_, set_.moved_);
  return owed_since +
         (is_answered() ? std::min(idle_timeout_, set_.limits().answered_timeout) : idle_timeout_);
}

Time ExchangeBase::send_deadline() const {
  if (!may_time_out() || idle_timeout_ == Duration::zero()) return never;
  const bool peer_holds = !queue_.empty() || send_ == Send::finished;
  if (!peer_holds) return never;
  // What we send may wait for other messages, too; only flow control of the stream's own is aimed at it.
  const Time held_since = peer_blocks() ? moved_ : std::max(moved_, set_.sent_);
  return held_since + idle_timeout_;
}

}  // namespace sallyport::http
