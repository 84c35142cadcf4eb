#include "dial/hop_dialer.h"

#include "dial/attempt.h"

#include <cassert>

namespace sallyport::dial {

std::unique_ptr<Dialled> HopDialer::dial(Peer peer, Security security, DialEvents& events) {
  http::Connection* const hop = connections_.free();
  assert(hop != nullptr);
  if (security.layer == Security::Layer::quic && by_ip_)
    return make_ip_quic_attempt(context_, *hop, proxy_, token_, std::move(peer), std::move(security), events);
  if (security.layer == Security::Layer::quic)
    return make_tunnelled_quic_attempt(context_, *hop, proxy_, token_, std::move(peer), std::move(security),
                                       events);
  return make_tunnelled_tcp_attempt(context_, *hop, token_, std::move(peer), std::move(security), events);
}

}  // namespace sallyport::dial
