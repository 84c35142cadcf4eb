// QuicSession: a GnuTLS session set up as QUIC wants it (RFC 9001), for quic::Connection, which lends it to
// ngtcp2. All of GnuTLS that ngtcp2 does not do itself is here: versions and ciphers, certificates, ALPN,
// tickets, 0-RTT and its replay guard, key log. A server destroys it once the handshake is confirmed and the
// ticket is sent: no TLS message may come then, and GnuTLS holds 10 KiB.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "tls/credentials.h"
#include "tls/replay_guard.h"
#include "tls/session_info.h"
#include "trace/keylog.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

struct gnutls_session_int;

namespace sallyport::tls {

struct QuicServerOptions {
  std::shared_ptr<const ServerCredentials> credentials;
  std::vector<std::string> alpn;  ///< in our order of preference
  std::array<std::uint8_t, 32>
      ticket_key{};  ///< ServerSecret::derive; give each QUIC version its own (RFC 9369 §5)
  std::shared_ptr<ReplayGuard> early_data;  ///< null: no 0-RTT; one for each Endpoint
  std::shared_ptr<trace::KeyLog> key_log;
};

struct QuicClientOptions {
  std::shared_ptr<const Trust> trust;
  std::string host;  ///< SNI (not for addresses) and what the certificate must cover
  std::vector<std::string> alpn;
  std::vector<std::uint8_t> ticket;  ///< SessionCache::Entry::ticket; empty: a full handshake
  bool early_data = false;           ///< offer 0-RTT where the ticket allows it
  /// A ticket for a later connection came. Called from inside ngtcp2's reading; must not destroy the session.
  std::function<void(std::vector<std::uint8_t> ticket)> on_ticket;
  std::shared_ptr<trace::KeyLog> key_log;
};

class QuicSession {
 public:
  static Result<std::unique_ptr<QuicSession>> server(const QuicServerOptions& options);
  /// A ticket that is malformed, or whose remembered certificate `trust` does not accept for `host`, is left
  /// unused.
  static Result<std::unique_ptr<QuicSession>> client(const QuicClientOptions& options);
  ~QuicSession();
  QuicSession(const QuicSession&) = delete;
  QuicSession& operator=(const QuicSession&) = delete;

  /// For ngtcp2_crypto_gnutls_configure_{server,client}_session, gnutls_session_set_ptr (free for
  /// ngtcp2_crypto_conn_ref; the *transport* pointer is ours) and ngtcp2_conn_set_tls_native_handle. Lives as
  /// long as this.
  gnutls_session_int* native() const;

  /// A client: 0-RTT packets may be sent, as far as TLS is concerned (transport parameters must be at hand as
  /// well).
  bool offers_early_data() const;

  // Once the handshake is complete:
  SessionInfo info() const;
  /// A server: queues a NewSessionTicket as CRYPTO data (GnuTLS is told not to do it by itself). Call it from
  /// ngtcp2's handshake_completed.
  Result<> send_ticket();

  /// Why the handshake failed, as one sentence for people. The certificate's fault where that was it;
  /// otherwise in the words of TLS for `alert` (ngtcp2_conn_get_tls_alert, or the low byte of a CRYPTO_ERROR
  /// that the peer sent).
  Error failure(std::uint8_t alert) const;

 private:
  struct Impl;
  explicit QuicSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::tls
