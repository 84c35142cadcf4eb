// A client that waits for an answer has nothing to send once it has acknowledged all that came. When a NAT
// gives it another port then, whatever the server sends goes to the old one, and it cannot know: so a client
// that hears nothing for a few probe timeouts sends a PING, from which the server learns the new address (RFC
// 9000 §9.3). It does so a few times for each silence, ever more rarely: a server may take its time to
// answer.
//
// Silence may also mean that the peer is gone. The idle timeout finds that out, but where tunnels may be idle
// for long it is long, too, and what comes for a client that is gone is sent for nothing all the while: so
// Config has a shorter time for peers that do not even acknowledge.
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

/// A peer that lives acknowledges, as ngtcp2 repeats what it has to; one that has nothing to acknowledge may
/// be silent until the idle timeout.
Time Impl::gone_deadline() const {
  if (config->silence_timeout <= Duration::zero() || !is_established() || tap.unanswered_since() == never)
    return never;
  return tap.unanswered_since() + std::max(config->silence_timeout, 3 * probe_timeout());
}

// ngtcp2 sends PING for a keep-alive only, so one is made due.
void Impl::end_silence(Time at) {
  if (at >= gone_deadline()) {
    // What it does not repeat (a PATH_CHALLENGE) need not have arrived.
    if (native_info().bytes_in_flight == 0) return tap.expect_no_answer();
    // Who gives up before the idle timeout that it announced has to say so (RFC 9000 §10.1).
    return end({.by = Closed::By::idle_timeout, .reason = "nothing was acknowledged any more"}, true);
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
