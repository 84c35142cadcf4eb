// The callbacks by which ngtcp2 seals and opens packets (RFC 9001 §5), with a tap on what goes through.
// GnuTLS does the sealing, but for 1-RTT packets with AES-128-GCM where FastAesGcm is quicker. ngtcp2 does
// not say for which connection it calls, so whoever calls into ngtcp2 names the connection's tap first.
#pragma once

#include "quic/packet_tap.h"

#include <cstdint>
#include <utility>

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

struct gnutls_session_int;

namespace sallyport::quic {

void install_packet_protection(ngtcp2_callbacks& callbacks);

/// What a GnuTLS session's pointer (gnutls_session_set_ptr) refers to: the way to its connection, and which
/// packet protection keys it was given. Owned by the connection; a new one for each TLS session.
struct CryptoBinding : ngtcp2_crypto_conn_ref {
  std::uint8_t installed_keys = 0;  ///< for packet_protection.cpp
};

/// A server's: whether it can open 0-RTT packets, and cannot send 1-RTT packets yet, though GnuTLS has read
/// what came. That is so behind a HelloRetryRequest only, and ngtcp2 1.11 asserts where a 0-RTT packet comes
/// then.
bool is_early_key_alone(const CryptoBinding& binding);

/// Has the session's traffic secrets become ngtcp2's keys. After ngtcp2_crypto_gnutls_configure_*_session,
/// whose way of doing it is replaced; the session's pointer is a CryptoBinding. A handshake without the
/// peer's transport parameters fails there with the alert missing_extension (RFC 9001 §8.2): ngtcp2 asserts
/// that they are known before it sends a 1-RTT packet. So does one that would install a key twice.
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
