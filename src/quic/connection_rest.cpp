// A server's connection frees its TLS session after the handshake, and most of its memory while it is idle.
#include "quic/connection_impl.h"
#include "quic/native.h"

#include <algorithm>

namespace sallyport::quic {
namespace {

using Impl = Connection::Impl;

/// Folding and unfolding cost some 25 us together, about as much as a packet that comes or goes.
constexpr Duration rest_after = 1s, shortest_rest = 1s;
constexpr Duration longest_probe_timeout = 60s;

}  // namespace

void Impl::release_tls() {
  ngtcp2_conn_set_tls_native_handle(conn.get(), nullptr);
  tls.reset();
}

Duration Impl::probe_timeout() const {
  return Duration(std::min<ngtcp2_duration>(ngtcp2_conn_get_pto(conn.get()), longest_probe_timeout.count()));
}

Time Impl::native_deadline() const {
  return std::min(
      {to_time(ngtcp2_conn_get_expiry(conn.get())), mtu.deadline(), idle_deadline(), silence_deadline()});
}

/// The idle timeout (RFC 9000 §10.1) is ngtcp2's task. But with a probe timeout beyond our maximum, ngtcp2's
/// idle timeout may never expire; this one does.
Time Impl::idle_deadline() const {
  if (!handshake_completed || config->idle_timeout <= Duration::zero()) return never;
  return tap.last_opened() + config->idle_timeout + 3 * longest_probe_timeout;
}

Time Impl::rest_deadline(Time at) const {
  return conn.can_fold() && handshake_completed ? at + rest_after : never;
}

bool Impl::rest(Time at) {
  if (conn.folded() || rest_deadline(at) == never) return false;
  const Time deadline = native_deadline();
  if (deadline <= at) return false;
  if (deadline >= at + shortest_rest) {
    ngtcp2_conn_get_conn_info(conn.get(), &info_at_rest);
    conn.fold();
    queue.release();
  }
  timer.arm(deadline);
  return true;
}

/// By whoever only looks at it, too: then nothing else arms the timer.
void Impl::on_unfolded() {
  timer.arm(std::min(timer.deadline(), timers.now() + rest_after));
}

ngtcp2_conn_info Impl::native_info() const {
  if (conn.folded()) return info_at_rest;
  ngtcp2_conn_info info;
  ngtcp2_conn_get_conn_info(conn.get(), &info);
  return info;
}

}  // namespace sallyport::quic
