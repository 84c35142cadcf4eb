// What an exchange receives: heads, the body and its credit, the end, and what refuses them.
#include "http/exchange_base.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sallyport::http {

namespace {

// A server that sends more interim responses than this is up to something
// (docs/threat-model.md, "endless interim responses").
constexpr std::uint8_t max_informational = 64;

}  // namespace

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
  if (record_) record_->request_head = moved_;
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
                                     std::optional<std::uint64_t> content_length, bool complete) {
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
  response_complete_ = complete;
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

// Credit

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

void ExchangeBase::consume(std::size_t bytes) {
  bytes = std::min(bytes, unconsumed_);
  if (bytes == 0) return;
  unconsumed_ -= bytes;
  submit_credit(bytes);
}

void ExchangeBase::set_receive_limit(std::size_t bytes) {
  if (bytes >= receive_limit_) return;
  receive_limit_ = std::max<std::size_t>(bytes, 1);
  submit_limit();
}

std::size_t ExchangeBase::receive_limit() const {
  if (!capsules_) return receive_limit_;
  // A capsule that is not all there cannot be consumed, and the peer may hear of what was only when that is
  // half of the window (nghttp2, H1Connection::credit()). So there is room for two.
  constexpr std::size_t longest_head = 16;
  return std::max(receive_limit_, 2 * (set_.limits().max_capsule + longest_head));
}

}  // namespace sallyport::http
