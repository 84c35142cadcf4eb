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
      linger_(context.timers, [this](Time now) { on_linger(now); }) {}

TcpFlow::~TcpFlow() {
  if (stream_ != nullptr) stream_->set_receiver(nullptr);
}

void TcpFlow::on_targets(const std::vector<net::SocketAddress>& targets) {
  connecting_ = context_.outbound.open_tcp(
      targets, context_.options.connect_timeout,
      [this](Result<std::unique_ptr<net::ByteStream>> stream) { on_connected(std::move(stream)); }, nullptr);
}

void TcpFlow::on_connected(Result<std::unique_ptr<net::ByteStream>> stream) {
  if (failed_ || exchange() == nullptr) return;
  if (!stream) return refuse_target(refusal_for(stream.error()));
  stream_ = std::move(*stream);
  stream_->set_receiver(this);
  accept_target(stream_->net_path(), stream_->net_path().remote);
  for (Chunk& chunk : early_) stream_->write(std::move(chunk));
  early_ = std::vector<Chunk>();
  give_credit();
  if (client_ended_) stream_->finish();
  stream_->set_reading(true);
}

void TcpFlow::on_refused() {
  failed_ = true;
  early_ = std::vector<Chunk>();
  exchange()->consume(std::exchange(unconsumed_, 0));
}

void TcpFlow::on_body(http::Exchange& exchange, Bytes body) {
  if (failed_) return exchange.consume(body.size());
  unconsumed_ += body.size();
  if (stream_ == nullptr) {
    early_.push_back(Chunk::copy_of(body));
    return;
  }
  client().bytes_up += body.size();
  stream_->write(body);
  give_credit();
  touch();
}

void TcpFlow::give_credit() {
  if (stream_->queued_bytes() <= net::ByteStream::high_water)
    exchange()->consume(std::exchange(unconsumed_, 0));
}

void TcpFlow::on_stream_writable() {
  if (!failed_ && exchange() != nullptr) give_credit();
}

void TcpFlow::on_end(http::Exchange&) {
  client_ended_ = true;
  if (stream_ != nullptr && !failed_) stream_->finish();
}

void TcpFlow::on_bytes(Bytes bytes) {
  if (failed_ || exchange() == nullptr) return;
  client().bytes_down_tcp += bytes.size();
  exchange()->write(bytes);
  if (exchange()->room() == 0) stream_->set_reading(false);
  touch();
}

void TcpFlow::on_writable(http::Exchange&) {
  if (stream_ != nullptr && !failed_) stream_->set_reading(true);
}

void TcpFlow::on_end() {
  if (!failed_ && exchange() != nullptr) exchange()->finish();
}

void TcpFlow::on_stream_error(const Error& why) {
  // A stream is not destroyed from inside its call.
  if (std::exchange(failed_, true)) return;
  if (exchange() == nullptr) return linger_.arm(context_.timers.now());
  ++context_.counters.failed;
  exchange()->reset(http::ResetCode::connect_error,
                    {why.kind, "the target's side of the tunnel: " + why.message});
}

void TcpFlow::end_tunnel(const Error& why) {
  if (std::exchange(failed_, true)) return;
  stream_->close();
  exchange()->reset(http::ResetCode::cancelled, why);
}

bool TcpFlow::lingers(const Error* why) {
  connecting_.reset();
  if (why != nullptr || failed_ || stream_ == nullptr || stream_->queued_bytes() == 0) return false;
  linger_until_ = context_.timers.now() + linger_most;
  linger_.arm(context_.timers.now() + linger_step);
  return true;
}

void TcpFlow::on_linger(Time now) {
  if (failed_ || stream_->queued_bytes() == 0 || now >= linger_until_) return gone();
  linger_.arm(now + linger_step);
}

}  // namespace sallyport::masque
