#include "tcp_connection.h"

#include "net/socket_calls.h"
#include "tcp_host.h"
#include "tcp_stream.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

namespace sallyport::sim {
namespace {

constexpr Duration first_timeout = 1s;  // RFC 6298 §2.1
constexpr unsigned most_syns = 7, most_timeouts = 10;
/// TIME-WAIT, and a peer's end that does not come although nobody waits for it any more.
constexpr Duration linger = 60s;

}  // namespace

TcpConnection::TcpConnection(TcpHost& host, const net::NetPath& path)
    : host_(host),
      path_(path),
      seen_as_(path.local),
      sender_([this](std::uint64_t seq, Bytes data, bool fin) { emit(seq, data, fin); }),
      flush_(host.timers(), [this](Time) { flush(); }),
      timer_(host.timers(), [this](Time) { on_timer(); }) {}

Time TcpConnection::now() const {
  return host_.timers().now();
}

void TcpConnection::connect(Opened opened) {
  opened_ = std::move(opened);
  send_syn();
}

void TcpConnection::accept(const TcpSegment& syn, Opened opened) {
  opened_ = std::move(opened);
  state_ = State::syn_received;
  peer_mss_ = syn.mss;
  peer_window_ = syn.window;
  send_syn();
}

void TcpConnection::send_syn() {
  timer_.arm(now() + first_timeout * (1 << syns_));
  ++syns_;
  syn_sent_ = now();
  TcpSegment syn;
  syn.syn = true;
  syn.ack = state_ == State::syn_received;
  syn.mss = static_cast<std::uint16_t>(host_.mss_to(path_.remote));
  send(syn);
}

void TcpConnection::on_segment(const TcpSegment& segment) {
  if (segment.rst) return on_reset(segment);
  if (segment.syn) return on_syn(segment);
  if (state_ == State::syn_received && segment.ack && segment.acked > 0) open();
  if (state_ != State::open) return;
  if (segment.ack) {
    sender_.on_ack(segment.acked, segment.window, segment.length() == 0, now());
    wake();
    flush_.request();
  }
  if (segment.length() > 0) take(segment);
  settle();
}

void TcpConnection::on_syn(const TcpSegment& segment) {
  if (state_ == State::syn_received && !segment.ack) return send_syn();
  if (state_ == State::open) return acknowledge();
  if (state_ != State::syn_sent || !segment.ack) return;
  peer_mss_ = segment.mss;
  peer_window_ = segment.window;
  ack_due_ = true;
  open();
  flush_.request();
}

void TcpConnection::open() {
  state_ = State::open;
  timer_.disarm();
  const std::optional<Duration> round_trip =
      syns_ == 1 ? std::optional<Duration>(now() - syn_sent_) : std::nullopt;
  sender_.start(std::min(peer_mss_, host_.mss_to(path_.remote)), peer_window_, round_trip);
  std::exchange(opened_, nullptr)({});
}

/// RFC 1337: in TIME-WAIT nothing more can be reset.
void TcpConnection::on_reset(const TcpSegment& segment) {
  if (state_ == State::syn_sent) {
    if (segment.ack && segment.acked == 1) fail(ECONNREFUSED);
  } else if (!is_over()) {
    fail(ECONNRESET);
  }
}

void TcpConnection::take(const TcpSegment& segment) {
  const bool is_new = segment.seq + segment.data.size() > receiver_.next();
  if (stream_ == nullptr && is_new && !segment.data.empty()) return abort();  // nobody will read it
  if (!receiver_.take(segment)) return acknowledge();
  ack_due_ = true;
  wake();  // before the flush: what is read now shows in the window
  flush_.request();
}

void TcpConnection::acknowledge() {
  emit(sender_.next(), {}, false);
}

void TcpConnection::emit(std::uint64_t seq, Bytes data, bool fin) {
  TcpSegment segment;
  segment.ack = true;
  segment.fin = fin;
  segment.seq = seq;
  segment.data = data;
  ack_due_ = false;
  send(segment);
}

void TcpConnection::send(TcpSegment segment) {
  segment.acked = receiver_.next();
  segment.window = static_cast<std::uint32_t>(receiver_.window());
  told_edge_ = receiver_.next() + receiver_.window();
  host_.send({seen_as_, path_.remote}, segment);
}

void TcpConnection::flush() {
  if (state_ != State::open) return;
  sender_.send(now());
  if (ack_due_) acknowledge();
  settle();
}

void TcpConnection::wake() {
  if (stream_ != nullptr) stream_->wake();
}

void TcpConnection::settle() {
  if (state_ != State::open) return;
  const bool is_waited_for = stream_ != nullptr && !receiver_.ended();
  if (sender_.is_done() && !is_waited_for && lingers_until_ == never) lingers_until_ = now() + linger;
  timer_.arm(std::min(sender_.deadline(), lingers_until_));
}

void TcpConnection::on_timer() {
  if (is_opening()) return syns_ >= most_syns ? fail(ETIMEDOUT) : send_syn();
  if (now() >= lingers_until_) return close();
  if (now() >= sender_.deadline()) {
    if (sender_.timeouts() >= most_timeouts) return fail(ETIMEDOUT);
    sender_.on_timeout(now());
  }
  settle();
}

void TcpConnection::write(Bytes bytes) {
  sender_.write(bytes);
  flush_.request();
}

void TcpConnection::finish() {
  sender_.finish();
  flush_.request();
}

std::vector<std::uint8_t> TcpConnection::read(std::size_t most) {
  std::vector<std::uint8_t> bytes = receiver_.read(most);
  const std::uint64_t edge = receiver_.next() + receiver_.window();
  if (edge >=
      told_edge_ + std::min<std::uint64_t>(TcpReceiver::capacity / 2, 2 * host_.mss_to(path_.remote))) {
    ack_due_ = true;
    flush_.request();
  }
  return bytes;
}

void TcpConnection::let_go(bool in_order) {
  stream_ = nullptr;
  if (state_ == State::closed) return host_.reap();
  if (state_ == State::syn_sent) return close();
  if (!in_order || receiver_.unread() > 0) return abort();
  settle();
}

void TcpConnection::abort() {
  reset_peer();
  close();
}

void TcpConnection::reset_from_between() {
  if (state_ == State::closed) return;
  reset_peer();
  fail(ECONNRESET);
}

void TcpConnection::reset_peer() {
  TcpSegment reset;
  reset.rst = reset.ack = true;
  reset.seq = sender_.next();
  send(reset);
}

void TcpConnection::fail(int number) {
  if (state_ == State::closed) return;
  const Opened opened = std::move(opened_);
  const std::string peer = path_.remote.to_string();
  error_ = net::socket_error(
      is_opening() ? "cannot connect to " + peer : "TCP connection with " + peer + " failed", number);
  close();
  if (opened != nullptr)
    opened(std::unexpected(*error_));
  else
    wake();
}

void TcpConnection::close() {
  state_ = State::closed;
  opened_ = nullptr;
  timer_.disarm();
  host_.reap();
}

}  // namespace sallyport::sim
