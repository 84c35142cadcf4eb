// What an exchange sends: heads, the queue of its body, the end.
#include "http/exchange_base.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace sallyport::http {

namespace {

// What may be queued on a connection before each exchange is given small pieces only, and one at a time.
constexpr std::size_t connection_high_water = 1024 * 1024;
constexpr std::size_t small_piece = 16 * 1024;

}  // namespace

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
    note_status(head.status);
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
  waits_ = waits_ || queue_.size() > write_ahead();
  submit_body();
}

void ExchangeBase::drop_queue() {
  set_.queued_ -= queue_.size();
  queue_.clear();
  marked_ = 0;
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
    room = queue_.size() > write_ahead() ? 0 : Chunk::pooled_size;
  else if (queue_.empty())
    room = small_piece;
  waits_ = waits_ || room == 0;
  return room;
}

void ExchangeBase::finish(const Fields& trailers) {
  assert(ended_ || send_ != Send::head);
  if (ended_ || send_ != Send::body) return;
  // A body that was cut short must never look complete (docs/threat-model.md, "incomplete response").
  if (declared_ > 0) return mismatch("a body shorter than its content-length");
  trailers_ = trailers;
  send_ = Send::finished;
  submit_body();
  if (is_answered()) set_.watch(stall_deadline());
}

void ExchangeBase::mismatch(std::string_view what) {
  fail(ResetCode::internal_error, {ErrorKind::cancelled, std::string(what) + " was to be sent"});
}

void ExchangeBase::sent_body(std::size_t bytes) {
  if (marked_ > 0) {
    marked_ -= std::min(marked_, bytes);
    if (marked_ == 0 && !queue_.empty()) {
      marked_ = queue_.size();
      marked_at_ = set_.timers().now();
    }
  }
  set_.queued_ -= bytes;
  set_.count_body(bytes);
  if (record_ && !capsules_) record_->bytes_out += bytes;
  if (bytes > 0) touch_sent();
  if (handler_ == nullptr || ended_ || queue_.size() > write_ahead() / 2) return;
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

}  // namespace sallyport::http
