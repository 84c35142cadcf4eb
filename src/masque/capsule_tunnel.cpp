#include "masque/capsule_tunnel.h"

#include "masque/capsule_rules.h"
#include "masque/exchange_sink.h"
#include "masque/proxy_status.h"
#include "masque/refusal_error.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

/// Datagrams with unregistered context IDs are dropped (RFC 9298 §4), but a hop that sends little else
/// is none.
constexpr std::uint64_t max_strange = 1000;

}  // namespace

CapsuleTunnel::CapsuleTunnel(http::Connection& over, std::string target, std::string_view method,
                             Events events)
    : target_(std::move(target)),
      method_(method),
      events_(std::move(events)),
      timers_(over.timers()),
      version_(over.info().version) {}

CapsuleTunnel::~CapsuleTunnel() {
  if (exchange_ == nullptr) return;
  exchange_->set_handler(&exchange_sink());
  if (ended_) return;
  // In order where the tunnel is open: many tunnels that come and go shall not look like Rapid Reset.
  if (opened_)
    exchange_->finish();
  else
    exchange_->reset(http::ResetCode::cancelled);
}

void CapsuleTunnel::ask(http::Connection& over, http::Request request) {
  request.fields.add("capsule-protocol", "?1");
  exchange_ = &over.request(std::move(request), *this, false);
  exchange_->use_capsules();
}

void CapsuleTunnel::on_response(http::Exchange& from, const http::Response& head) {
  if (ended_) return;
  answered_ = true;
  if (head.status / 100 != 2)
    return break_off(http::ResetCode::cancelled, refusal_error(target_, head, from.request().fields));
  // RFC 9297 §3.2: statuses and fields that do not go with capsules.
  if (const auto field = field_against_capsules(head.fields))
    return break_off(http::ResetCode::message_error,
                     wrong_answer(fmt::format("{} and a body ({})", head.status, *field)));
  if (head.status == 204 || head.status == 205 || head.status == 206)
    return break_off(http::ResetCode::message_error, wrong_answer(std::to_string(head.status)));
  opened_ = true;
  if (events_.opened) events_.opened(next_hop_of(head.fields));
}

Error CapsuleTunnel::wrong_answer(const std::string& answer) const {
  return {ErrorKind::protocol,
          fmt::format("the hop answered the request for a tunnel to {} with {}: it does not speak {}",
                      target_, answer, method_)};
}

void CapsuleTunnel::on_body(http::Exchange& from, Bytes body) {
  from.consume(body.size());
}

void CapsuleTunnel::on_datagram(http::Exchange&, Bytes datagram) {
  if (ended_) return;
  if (const auto found = contexts_.find(datagram)) {
    ++found_;
    return on_packet(*found);
  }
  if (dropped_context_ > std::max(max_strange, found_))
    break_off(
        http::ResetCode::datagram_error,
        {ErrorKind::protocol,
         fmt::format("the hop of the tunnel to {} sends datagrams with unregistered context IDs", target_)});
}

void CapsuleTunnel::on_end(http::Exchange& from) {
  if (ended_) return;
  from.finish();
  end({ErrorKind::closed, fmt::format("the hop ended the tunnel to {}", target_)});
}

void CapsuleTunnel::on_closed(http::Exchange&, const Error* why) {
  exchange_ = nullptr;
  end(why == nullptr ? Error{ErrorKind::closed, fmt::format("the tunnel to {} ended", target_)}
                     : tunnel_end_error(target_, version_, *why));
}

void CapsuleTunnel::break_off(http::ResetCode code, const Error& why) {
  if (ended_) return;
  exchange_->reset(code, why);
  end(why);
}

void CapsuleTunnel::end(const Error& why) {
  if (std::exchange(ended_, true)) return;
  const Lifetime::Guard guard(lifetime_);  // `closed` may be the end of this object
  if (events_.closed) events_.closed(why);
  if (!guard.gone()) on_ended(why);
}

}  // namespace sallyport::masque
