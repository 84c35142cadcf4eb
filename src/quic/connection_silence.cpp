// A client that waits for a response sends nothing once all received packets are acknowledged. If its NAT
// rebinds then, the server's packets go to the old port, and the client cannot notice. So a client that
// receives nothing for a few probe timeouts sends a PING, from which the server learns the new address (RFC
// 9000 §9.3). It repeats this a few times for each silence, with growing pauses: a server may be slow to
// respond.
//
// Silence may also mean that the peer is dead. The idle timeout detects this, but it is long where tunnels
// may be idle for long, and until it expires, traffic for a dead client is sent in vain. So Config has a
// shorter timeout for peers that do not acknowledge.
#include "quic/connection_impl.h"
#include "quic/native.h"

#include <algorithm>

namespace sallyport::quic {
namespace {

using Impl = Connection::Impl;

constexpr unsigned first_pause = 3;  // in probe timeouts; every second one is twice as long as those before
constexpr unsigned most_pings = 6;   // after that, it is for keep-alive

}  // namespace

Time Impl::silence_deadline() const {
  return std::min(ping_deadline(), gone_deadline());
}

Time Impl::ping_deadline() const {
  if (is_server || silence.requests == 0 || !is_established() || silence.pings == most_pings) return never;
  const Time since = std::max(tap.last_opened(), silence.last_ping);
  return since + first_pause * probe_timeout() * (1u << silence.pings / 2);
}

/// A live peer acknowledges, because ngtcp2 sends probes; a peer that has nothing to acknowledge may be
/// silent until the idle timeout.
Time Impl::gone_deadline() const {
  if (config->silence_timeout <= Duration::zero() || !is_established() || tap.unanswered_since() == never)
    return never;
  return tap.unanswered_since() + std::max(config->silence_timeout, 3 * probe_timeout());
}

// ngtcp2 sends PING for a keep-alive only, so one is made due.
void Impl::end_silence(Time at) {
  if (at >= gone_deadline()) {
    // ngtcp2 does not retransmit every frame (PATH_CHALLENGE), so such a packet may have been lost.
    if (native_info().bytes_in_flight == 0) return tap.expect_no_answer();
    // An endpoint that closes before its advertised idle timeout has to send CONNECTION_CLOSE (RFC 9000
    // §10.1).
    return end({.by = Closed::By::idle_timeout, .reason = "no acknowledgement from the peer"}, true);
  }
  ++silence.pings;
  silence.last_ping = at;
  silence.ping_due = true;
  ngtcp2_conn_set_keep_alive_timeout(conn.get(), 1);
}

void Impl::end_ping() {
  silence.ping_due = false;
  ngtcp2_conn_set_keep_alive_timeout(conn.get(), to_native(config->keep_alive));
}

}  // namespace sallyport::quic
