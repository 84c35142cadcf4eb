#include "http/h1_connection.h"

#include "http/h1_head.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace sallyport::http {
namespace {

// What a handler may leave unconsumed before the peer is held back.
constexpr std::size_t largest_window = 256 * 1024;

H1Parser::Side parsed_side(bool server) {
  return server ? H1Parser::Side::requests : H1Parser::Side::responses;
}

}  // namespace

H1Connection::H1Connection(StreamSetup setup, bool server)
    : StreamConnection(std::move(setup), Version::http1_1, server),
      parser_(parsed_side(server), limits()),
      builder_(limits()) {}

void H1Connection::set_current(H1Exchange& exchange, Framing framing) {
  current_ = &exchange;
  framing_ = framing;
}

std::string& H1Connection::start_head() {
  head_text_.clear();
  return head_text_;
}

void H1Connection::on_exchange_gone(ExchangeBase& exchange) {
  if (current_ == &exchange) current_ = nullptr;
}

// What comes in

void H1Connection::received(Bytes bytes) {
  if (inbox_.empty()) {
    const std::size_t used = work_through(bytes);
    inbox_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(used), bytes.end());
  } else {
    // Not insert(), for which GCC 14 warns of a write that cannot be.
    const std::size_t held = inbox_.size();
    inbox_.resize(held + bytes.size());
    copy_bytes(bytes, inbox_.data() + held);
    work_through_inbox();
  }
  if (!is_open()) return;
  worked();
  update_reading();
}

bool H1Connection::may_work() const {
  if (!is_open() || paused_) return false;
  if (current_ == nullptr) return may_begin() && !is_full();
  return !message_done_ && (dropping_ || !current_->receive_done()) && !current_->is_ending();
}

std::size_t H1Connection::work_through(Bytes bytes) {
  std::size_t used = 0;
  while (used < bytes.size() && may_work()) {
    const std::size_t step = parse(bytes.subspan(used));
    if (step == 0) break;
    used += step;
  }
  return used;
}

bool H1Connection::work_through_inbox() {
  if (inbox_.empty()) return false;
  const std::size_t used = work_through(Bytes(inbox_).subspan(inbox_used_));
  inbox_used_ += used;
  if (inbox_used_ == inbox_.size()) {
    inbox_ = std::vector<std::uint8_t>();  // a burst's memory is not kept for an idle connection (= {} would)
    inbox_used_ = 0;
  } else if (inbox_used_ > inbox_.size() / 2) {
    inbox_.erase(inbox_.begin(), inbox_.begin() + static_cast<std::ptrdiff_t>(inbox_used_));
    inbox_used_ = 0;
  }
  return used > 0;
}

std::size_t H1Connection::parse(Bytes bytes) {
  if (tunnel_) {
    deliver(bytes);
    return bytes.size();
  }
  const auto step = parser_.next(bytes);
  if (!step) {
    if (!std::exchange(dropping_, false))
      message_refused(step.error());
    else
      close_afterwards();
    return bytes.size();
  }
  if (step->head) {
    head_received(step->done);
  } else {
    if (!step->body.empty()) deliver(step->body);
    if (step->done && is_open()) message_received();
  }
  return step->consumed;
}

std::size_t H1Connection::window() const {
  return std::min(largest_window, current_->receive_limit());
}

void H1Connection::deliver(Bytes body) {
  if (dropping_) return;
  unconsumed_ += body.size();
  paused_ = unconsumed_ > window();
  current_->received_body(body);
}

void H1Connection::message_received() {
  message_done_ = true;
  if (current_ == nullptr) return;
  if (!parser_.trailers().empty()) {
    builder_.begin_trailers(trailers_, Version::http1_1);
    for (const Fields::Field field : parser_.trailers()) builder_.add(field.name, field.value);
    current_->received_trailers(trailers_, builder_.finish());
  }
  current_->received_end();
  // Who has answered and will close reads no more of the request.
  if (!is_server() && close_after_ && !tunnel_) current_->received_stop(true, {});
  complete();
}

void H1Connection::end_held_message() {
  held_end_due_ = true;
  send_soon();
}

void H1Connection::received_fin() {
  fin_ = true;
  work_off_end();
}

void H1Connection::work_off_end() {
  if (!fin_ || fin_told_ || !is_open()) return;
  if (!inbox_.empty() && !may_work()) return;  // there is more to be worked through, later
  if (current_ == nullptr) {
    if (!has_partial()) return end(nullptr);
    return cut_off({ErrorKind::closed, "the peer closed the connection inside a header section"});
  }
  if (tunnel_) {
    fin_told_ = true;
    current_->received_end();
    return complete();
  }
  if (message_done_) {
    // A server still owes its response. What a client has not sent by now, nobody reads.
    if (!is_server()) current_->received_stop(true, {});
    return complete();
  }
  if (const auto ended = parser_.end(); !ended) return cut_off(ended.error());
  message_received();
}

void H1Connection::update_reading() {
  const bool wanted = may_work() || (inbox_.empty() && !paused_);
  if (wanted == std::exchange(reading_, wanted)) return;
  stream().set_reading(wanted);
}

// For H1Exchange

void H1Connection::send_head(H1Exchange& exchange, const Response& head, bool end) {
  if (&exchange != current_ || !is_open()) return;
  put_response(head, end);
  send_soon();
}

void H1Connection::send_body(H1Exchange& exchange) {
  if (&exchange == current_) send_soon();
}

void H1Connection::reset(H1Exchange& exchange, ResetCode code) {
  if (&exchange == current_ && is_open()) reset_current(code);
}

void H1Connection::stop(H1Exchange& exchange) {
  if (&exchange != current_) return;
  if (is_server() && !message_done_ && !tunnel_) {
    // It may be here already, and the connection good for another one.
    dropping_ = true;
    paused_ = false;
    return send_soon();
  }
  close_afterwards();
  complete();
}

void H1Connection::credit(H1Exchange& exchange, std::size_t bytes) {
  if (&exchange != current_) return;
  unconsumed_ -= std::min(bytes, unconsumed_);
  if (!paused_ || unconsumed_ > window() / 2) return;
  paused_ = false;
  send_soon();  // works through the inbox as well
}

void H1Connection::open_tunnel(H1Exchange& exchange) {
  if (&exchange != current_) return;
  tunnel_ = true;
  message_done_ = false;
  framing_ = Framing::raw;
  close_afterwards();
  send_soon();
}

void H1Connection::complete() {
  if (!is_open() || current_ == nullptr || !current_->receive_done() || !current_->send_done()) return;
  H1Exchange& exchange = *std::exchange(current_, nullptr);
  exchange.transport_closed(nullptr);
  // The rest of a message that nobody wants is not worth reading to its end. A server's response is to arrive
  // all the same.
  if (!message_done_ && !tunnel_ && !is_server()) return drop(nullptr);
  if (close_after_ || !message_done_ || (fin_ && inbox_.empty())) return end(nullptr);
  parser_.start();
  message_done_ = false;
  dropping_ = false;
  paused_ = false;
  unconsumed_ = 0;
  framing_ = Framing::none;
  send_soon();
}

// What goes out

void H1Connection::send() {
  if (std::exchange(held_end_due_, false) && current_ != nullptr) {
    current_->received_end();
    complete();
  }
  if (dropping_) work_through_inbox();
  while (is_open()) {
    settle_head();
    const bool sent = pump();
    const bool read = work_through_inbox();
    if (!sent && !read) break;
  }
  work_off_end();
  if (!is_open()) return;
  worked();
  update_reading();
}

/// What was to be had of the current request is worked through: whether the connection closes after it is
/// known.
void H1Connection::settle_head() {
  if (!is_server() || current_ == nullptr) return;
  const bool unread = std::exchange(dropping_, false) && !message_done_;
  if (unread || (fin_ && inbox_.empty())) close_afterwards();
  put_end_of_head();
  if (unread) complete();
}

/// Sends of the current body what may go; true when that was something.
bool H1Connection::pump() {
  if (current_ == nullptr || framing_ == Framing::held) return false;
  H1Exchange& exchange = *current_;
  bool moved = false;
  while (!exchange.queue().empty() && !is_full() && !exchange.is_ending()) {
    const std::size_t size = std::min(exchange.queue().size(), Chunk::pooled_size);
    put_body(size);
    exchange.sent_body(size);
    moved = true;
  }
  if (exchange.is_ending() || exchange.send_done() || !exchange.queue().empty() || !exchange.end_queued())
    return moved;
  put_end_of_body();
  exchange.sent_end();
  complete();
  return true;
}

void H1Connection::put_body(std::size_t size) {
  SendQueue& queue = current_->queue();
  if (framing_ != Framing::chunked) return gather().put(queue, size);
  std::array<char, 18> head;
  char* end = std::to_chars(head.data(), head.data() + 16, size, 16).ptr;
  *end++ = '\r';
  *end++ = '\n';
  gather().put(as_bytes({head.data(), end}));
  gather().put(queue, size);
  gather().put(as_bytes("\r\n"));
}

void H1Connection::put_end_of_body() {
  if (framing_ == Framing::chunked) {
    std::string& text = start_head();
    text += "0\r\n";
    put_fields(text, current_->trailers());
    put_end(text);
    send_head_text();
  } else if (framing_ == Framing::raw) {
    gather().flush();
    stream().finish();
  }
}

}  // namespace sallyport::http
