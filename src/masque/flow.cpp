#include "masque/flow.h"

#include "masque/exchange_sink.h"

#include <utility>

namespace sallyport::masque {

Flow::Flow(FlowContext& context, http::Exchange& exchange, TunnelAccount account, Duration idle_after)
    : context_(context),
      account_(std::move(account)),
      exchange_(&exchange),
      idle_(context.timers, idle_after, [this] { end_tunnel({ErrorKind::timeout, "tunnel idle timeout"}); }) {
  exchange.set_handler(this);
}

Flow::~Flow() {
  if (exchange_ != nullptr) exchange_->set_handler(&exchange_sink());
}

void Flow::on_closed(http::Exchange&, const Error* why) {
  exchange_ = nullptr;
  stop_opening();
  idle_.stop();
  if (!lingers(why)) gone();
}

void Flow::revoke() {
  // Without an exchange: what the client sent last is on its way to the target.
  if (exchange_ == nullptr || state_ == State::refused) return;
  if (state_ == State::accepted)
    return end_tunnel({ErrorKind::denied, "the bearer token of the tunnel was revoked"});
  stop_opening();
  refuse_tunnel(
      {.what = RefusedFor::policy, .answer = {403, "http_request_denied", "the bearer token was revoked"}});
}

void Flow::refuse_tunnel(const TunnelRefusal& refusal) {
  state_ = State::refused;
  refuse(*exchange_, context_.options.name, refusal, context_.counters);
  on_refused();
}

void Flow::accept_tunnel(http::Fields fields) {
  account_.count_accepted();
  state_ = State::accepted;
  exchange_->respond({.fields = std::move(fields)});
  touch();
}

}  // namespace sallyport::masque
