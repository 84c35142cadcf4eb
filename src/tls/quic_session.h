// QuicSession: a GnuTLS session for QUIC (RFC 9001), for quic::Connection, which passes it to ngtcp2. It does
// the parts that ngtcp2 does not: versions and cipher suites, certificates, ALPN, tickets, 0-RTT and its
// replay protection, key log. A server destroys it once the handshake is confirmed and the ticket is sent: no
// further TLS message is allowed, and the session takes 10 KiB.
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
  /// Null: no 0-RTT; one for each Endpoint. There is none either where the credentials ask for client
  /// certificates.
  std::shared_ptr<ReplayGuard> early_data;
  std::shared_ptr<trace::KeyLog> key_log;
};

struct QuicClientOptions {
  std::shared_ptr<const Trust> trust;
  std::shared_ptr<const OfferedCertificate> certificate = nullptr;  ///< for a server that asks for one
  std::string host;  ///< SNI (not for addresses) and what the certificate must cover
  std::vector<std::string> alpn;
  std::vector<std::uint8_t> ticket;  ///< SessionCache::Entry::ticket; empty: a full handshake
  bool early_data = false;           ///< offer 0-RTT where the ticket allows it
  /// A session ticket was received. Called from inside ngtcp2's reading; must not destroy the session.
  std::function<void(std::vector<std::uint8_t> ticket)> on_ticket;
  std::shared_ptr<trace::KeyLog> key_log;
};

class QuicSession {
 public:
  static Result<std::unique_ptr<QuicSession>> server(const QuicServerOptions& options);
  /// A ticket is not used if it is malformed, or if `trust` does not accept its stored certificate for
  /// `host`.
  static Result<std::unique_ptr<QuicSession>> client(const QuicClientOptions& options);
  ~QuicSession();
  QuicSession(const QuicSession&) = delete;
  QuicSession& operator=(const QuicSession&) = delete;

  /// For ngtcp2_crypto_gnutls_configure_{server,client}_session, gnutls_session_set_ptr (free for
  /// ngtcp2_crypto_conn_ref; the *transport* pointer is ours) and ngtcp2_conn_set_tls_native_handle. Lives as
  /// long as this.
  gnutls_session_int* native() const;

  /// A client: TLS allows 0-RTT (the server's transport parameters must be known as well).
  bool offers_early_data() const;

  // Once the handshake is complete:
  SessionInfo info() const;
  /// A server: queues a NewSessionTicket as CRYPTO data (GnuTLS's automatic ticket is disabled). Call it from
  /// ngtcp2's handshake_completed. Without tickets (see ServerCredentials) it does nothing.
  Result<> send_ticket();

  /// Why the handshake failed, as one sentence for people: the certificate's fault, or the meaning of `alert`
  /// (ngtcp2_conn_get_tls_alert, or the low byte of the peer's CRYPTO_ERROR).
  Error failure(std::uint8_t alert) const;

 private:
  struct Impl;
  explicit QuicSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::tls
