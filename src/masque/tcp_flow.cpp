#include "masque/tcp_flow.h"

#include <utility>

namespace sallyport::masque {
namespace {

// After both sides ended in order, the client's last bytes may still wait for the target.
constexpr Duration linger_step = 50ms;
constexpr Duration linger_most = 30s;

}  // namespace

TcpFlow::TcpFlow(FlowContext& context, http::Exchange& exchange, TunnelAccount account)
    : TargetFlow(context, exchange, std::move(account), context.options.tcp_idle),
      linger_(context.timers, [this](Time now) { on_linger(now); }) {
  client_end_.attach(exchange);
}

TcpFlow::~TcpFlow() {
  if (stream_ != nullptr) stream_->set_receiver(nullptr);
}

void TcpFlow::on_targets(const std::vector<net::SocketAddress>& targets) {
  connecting_ = context_.outbound.open_tcp(
      targets, context_.options.connect_timeout,
      [this](Result<std::unique_ptr<net::ByteStream>> stream) { on_connected(std::move(stream)); }, nullptr);
}

void TcpFlow::on_connected(Result<std::unique_ptr<net::ByteStream>> stream) {
  if (failed() || exchange() == nullptr) return;
  if (!stream) return refuse_target(refusal_for(stream.error()));
  stream_ = std::move(*stream);
  stream_->set_receiver(this);
  target_end_.attach(*stream_);
  accept_target(stream_->net_path(), stream_->net_path().remote);
  up_.start();
  down_.start();
}

void TcpFlow::on_refused() {
  stop();
}

void TcpFlow::stop() {
  up_.stop();
  down_.stop();
}

void TcpFlow::on_body(http::Exchange&, Bytes body) {
  if (stream_ != nullptr && !failed()) {
    client().bytes_up += body.size();
    touch();
  }
  up_.take(body);
}

void TcpFlow::on_stream_writable() {
  up_.resume();
}

void TcpFlow::on_end(http::Exchange&) {
  up_.end();
}

void TcpFlow::on_bytes(Bytes bytes) {
  if (down_.stopped()) return;
  client().bytes_down_tcp += bytes.size();
  touch();
  down_.take(bytes);
}

void TcpFlow::on_writable(http::Exchange&) {
  down_.resume();
}

void TcpFlow::on_end() {
  down_.end();
}

void TcpFlow::on_stream_error(const Error& why) {
  // A stream is not destroyed from inside its call.
  if (failed()) return;
  if (exchange() == nullptr) {
    stop();
    return linger_.arm(context_.timers.now());
  }
  ++context_.counters.failed;
  down_.abort({why.kind, "the target's side of the tunnel: " + why.message});
  stop();
}

void TcpFlow::end_tunnel(const Error& why) {
  if (failed()) return;
  stream_->close();
  exchange()->reset(http::ResetCode::cancelled, why);
  stop();
}

bool TcpFlow::lingers(const Error* why) {
  connecting_.reset();
  client_end_.detach();
  down_.stop();
  if (why != nullptr || failed() || stream_ == nullptr || stream_->queued_bytes() == 0) return false;
  linger_until_ = context_.timers.now() + linger_most;
  linger_.arm(context_.timers.now() + linger_step);
  return true;
}

void TcpFlow::on_linger(Time now) {
  if (failed() || stream_->queued_bytes() == 0 || now >= linger_until_) return gone();
  linger_.arm(now + linger_step);
}

}  // namespace sallyport::masque
