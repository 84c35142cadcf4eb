// ngtcp2's callbacks for packet protection (RFC 9001 §5), with a tap on the plaintext packets. GnuTLS does
// the AEAD, except for 1-RTT packets with AES-128-GCM where FastAesGcm is faster. ngtcp2 does not tell these
// callbacks the connection, so callers of ngtcp2 set the connection's tap first.
#pragma once

#include "quic/packet_tap.h"

#include <cstdint>
#include <utility>

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

struct gnutls_session_int;

namespace sallyport::quic {

void install_packet_protection(ngtcp2_callbacks& callbacks);

/// The target of a GnuTLS session's pointer (gnutls_session_set_ptr): the session's connection, and the
/// packet protection keys installed so far. Owned by the connection; a new one for each TLS session.
struct CryptoBinding : ngtcp2_crypto_conn_ref {
  std::uint8_t installed_keys = 0;  ///< for packet_protection.cpp
};

/// On a server: whether it has 0-RTT keys and no 1-RTT send keys, although GnuTLS has processed all input.
/// This occurs only after a HelloRetryRequest, and ngtcp2 1.11 fails an assertion on a 0-RTT packet then.
bool is_early_key_alone(const CryptoBinding& binding);

/// Installs the session's traffic secrets as ngtcp2's keys. Call it after
/// ngtcp2_crypto_gnutls_configure_*_session, whose secret callback it replaces; the session's pointer is a
/// CryptoBinding. A handshake without the peer's transport parameters fails with the alert missing_extension
/// (RFC 9001 §8.2), because ngtcp2 asserts that they are known before it sends a 1-RTT packet. A handshake
/// that would install a key twice fails likewise.
void install_secrets_hook(gnutls_session_int* session);

/// While it lives, packets protected and opened on this thread belong to `tap`. Nests, as connections do.
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
