#include "masque/udp_flow.h"

#include <utility>

namespace sallyport::masque {
namespace {

// What a client sends behind its request, before the target is found (RFC 9298 §5): a first flight and its
// repetition fit.
constexpr std::size_t max_held = 16;
constexpr std::size_t max_held_bytes = 24 * 1024;
// One client's tunnels up to here have large socket buffers. What fills the rest, if nobody reads them, is no
// more than the kernel grants anybody: its memory for UDP is the whole host's.
constexpr std::size_t max_large_buffers = 16;

}  // namespace

UdpFlow::UdpFlow(FlowContext& context, http::Exchange& exchange, TunnelAccount account)
    : TargetFlow(context, exchange, std::move(account), context.options.udp_idle),
      contexts_(ContextTable::Side::proxy, context.counters.dropped_context),
      sender_(client().downlink, client().account->held),
      others_end_(context.timers, [this](Time) { forget_others(); }) {
  exchange.use_capsules();
  exchange.set_when_full(http::WhenFull::drop);
}

UdpFlow::~UdpFlow() {
  close_path();
  drop_held();
}

void UdpFlow::close_path() {
  forget_others();
  context_.uplink.flush(lane_);
  if (path_ != nullptr) path_->set_receiver(nullptr);
  leave_exit();  // before the port may be another's
  path_.reset();
}

void UdpFlow::on_targets(const std::vector<net::SocketAddress>& targets) {
  others_ = {targets.begin(), targets.end()};
  const auto target = open_path();
  if (!target) return refuse_target(refusal_for(target.error()));
  if (!others_.empty()) others_end_.arm(context_.timers.now() + context_.options.connect_timeout);
  accept_target(path_->net_path(), *target);
  send_held();
}

// UDP has no handshake that addresses could race in. The kernel knows at once which it has no route to: where
// that is so of all, the request is refused and the client hears why, which no tunnel could tell it later.
// What else is wrong with one, ICMP may tell (on_unreachable).
Result<net::SocketAddress> UdpFlow::open_path() {
  Error why{ErrorKind::unreachable, "the target has no address"};
  const auto buffers = client().account->tunnels.load(std::memory_order_relaxed) <= max_large_buffers
                           ? net::UdpBuffers::large
                           : net::UdpBuffers::system;
  while (!others_.empty()) {
    const net::SocketAddress target = others_.front();
    others_.pop_front();
    auto opened = context_.outbound.open_udp(target, buffers);
    if (!opened) {
      why = std::move(opened.error());
      continue;
    }
    path_ = std::move(*opened);
    path_->set_receiver(this);
    return target;
  }
  return std::unexpected(std::move(why));
}

void UdpFlow::forget_others() {
  if (path_ == nullptr) return;  // what is held still waits for the first
  others_end_.disarm();
  others_.clear();
  drop_held();
}

void UdpFlow::on_refused() {
  done_ = true;
  drop_held();
}

// Every datagram of a client comes this way. ECN is not carried over in either direction: HTTP datagrams have
// no place for it, and RFC 9298 §7.2 wants Not-ECT towards the target.
void UdpFlow::on_datagram(http::Exchange& exchange, Bytes datagram) {
  if (done_) return;
  const auto found = contexts_.find(datagram);
  if (!found) return;
  if (found->payload.size() > max_udp_payload) {
    ++context_.counters.dropped_size;
    done_ = true;
    return exchange.reset(http::ResetCode::datagram_error);  // RFC 9298 §5
  }
  if (path_ == nullptr) {
    if (!hold(found->payload)) ++context_.counters.dropped_early;
    return;
  }
  if (!others_.empty()) hold(found->payload);
  send_up(found->payload);
  touch();
}

bool UdpFlow::hold(Bytes payload) {
  if (held_.size() == max_held || held_bytes_ + payload.size() > max_held_bytes ||
      !client().account->held.take(payload.size()))
    return false;
  held_.push_back(Chunk::copy_of(payload));
  held_bytes_ += payload.size();
  return true;
}

void UdpFlow::send_held() {
  for (const Chunk& payload : held_) send_up(payload.bytes());
  if (others_.empty()) drop_held();
}

void UdpFlow::drop_held() {
  client().account->held.give_back(std::exchange(held_bytes_, 0));
  held_.clear();
}

void UdpFlow::send_up(Bytes payload) {
  ++context_.counters.datagrams_up;
  client().bytes_up += payload.size();
  context_.uplink.add(lane_, *path_, payload);
}

// The target cannot be told to wait, so all is read, and what the client's connection cannot send in time is
// dropped by its queue. Only where that is full of fresh datagrams, which leave within milliseconds, do we
// stop reading for so long: the processor is the bottleneck then, and the socket's buffer takes up the burst.
void UdpFlow::on_datagrams(const net::NetPath&, const net::DatagramRun& run, Time) {
  if (done_) return;
  if (!others_.empty()) forget_others();
  if (!sender_.send(*exchange(), run)) path_->set_reading(false);
  touch();
}

void UdpFlow::on_datagrams_writable(http::Exchange& exchange) {
  if (done_ || path_ == nullptr || !sender_.blocked()) return;
  if (sender_.resume(exchange)) path_->set_reading(true);
}

void UdpFlow::on_datagram_dropped(http::Exchange&, http::DatagramDrop why) {
  client().downlink.drop(why);
}

Bytes UdpFlow::padding_prefix() const {
  return contexts_.padding_prefix();
}

bool UdpFlow::is_padding(Bytes datagram) const {
  return contexts_.is_padding(datagram);
}

void UdpFlow::on_unreachable(net::Unreachable kind, const Error& why) {
  if (done_) return;
  // Nothing came from the target yet, so another of its addresses may serve as well. What was sent goes
  // again: QUIC would come back to it after a second, DNS after five.
  if (!others_.empty()) {
    context_.uplink.flush(lane_);
    std::unique_ptr<net::DatagramPath> before;
    before.swap(path_);
    if (open_path()) {
      before->set_receiver(nullptr);
      // Proxy-Status named the first as next hop, in a response that went long ago: RFC 9209 §2.1.2 has no
      // way to correct it.
      change_exit(path_->net_path());
      return send_held();
    }
    path_ = std::move(before);
    forget_others();
  }
  // Nobody is there: the tunnel is of no more use (RFC 9298 §3.1). All else may pass (RFC 1122 §3.2.2.1).
  if (kind != net::Unreachable::definite) return;
  done_ = true;
  forget_others();
  ++context_.counters.failed;
  sender_.release();
  exchange()->reset(http::ResetCode::connect_error,
                    {why.kind, "the target's side of the tunnel: " + why.message});
}

void UdpFlow::on_body(http::Exchange& exchange, Bytes body) {
  exchange.consume(body.size());
}

void UdpFlow::on_end(http::Exchange& exchange) {
  if (std::exchange(done_, true)) return;
  sender_.release();
  if (path_ == nullptr) return exchange.reset(http::ResetCode::cancelled);  // gave up before it was answered
  // The client may take its time to read the rest; the target does not keep a socket for that.
  close_path();
  exchange.finish();
}

void UdpFlow::end_tunnel(const Error& why) {
  if (std::exchange(done_, true)) return;
  close_path();
  sender_.release();
  // One that is idle is done (RFC 9298 §3.1), one that may not go on is cut.
  if (why.kind != ErrorKind::timeout) return exchange()->reset(http::ResetCode::cancelled, why);
  exchange()->finish();
  exchange()->stop_reading();
}

}  // namespace sallyport::masque
