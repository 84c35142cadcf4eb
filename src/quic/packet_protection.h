// The callbacks by which ngtcp2 seals and opens packets (RFC 9001 §5), with a tap on what goes through.
// GnuTLS does the sealing, but for 1-RTT packets with AES-128-GCM where FastAesGcm is quicker. ngtcp2 does
// not say for which connection it calls, so whoever calls into ngtcp2 names the connection's tap first.
#pragma once

#include "quic/packet_tap.h"

#include <utility>

#include <ngtcp2/ngtcp2.h>

struct gnutls_session_int;

namespace sallyport::quic {

void install_packet_protection(ngtcp2_callbacks& callbacks);
/// Has the session's traffic secrets become ngtcp2's keys. After ngtcp2_crypto_gnutls_configure_*_session,
/// whose way of doing it is replaced; the session's pointer is a ngtcp2_crypto_conn_ref.
void install_secrets_hook(gnutls_session_int* session);

/// While it lives, packets sealed and opened on this thread belong to `tap`. They nest, as connections do.
class TapScope {
 public:
  explicit TapScope(PacketTap& tap) : outer_(std::exchange(current_, &tap)) {}
  ~TapScope() { current_ = outer_; }
  TapScope(const TapScope&) = delete;
  TapScope& operator=(const TapScope&) = delete;

  static PacketTap* current() { return current_; }

 private:
  static inline thread_local constinit PacketTap* current_ = nullptr;
  PacketTap* outer_;
};

}  // namespace sallyport::quic
