// Session: a GnuTLS session with the state of its callbacks, set up the same way for TCP and for QUIC. The
// common part of tls::Stream and QuicSession; for this layer's own files.
#pragma once

#include "tls/credentials.h"
#include "tls/gnutls_handles.h"
#include "tls/session_info.h"
#include "tls/traffic_keys.h"
#include "trace/keylog.h"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::tls {

/// The SNI of the client's ClientHello; empty for none.
std::string sni_of(gnutls_session_t session);

enum class Carrier { tcp, quic };

struct ServerSetup {
  Carrier carrier;
  unsigned flags;  ///< of gnutls_init, besides the role
  std::shared_ptr<const ServerCredentials> credentials;
  std::span<const std::string> alpn;
  std::array<std::uint8_t, 32> ticket_key;
  std::shared_ptr<trace::KeyLog> key_log;
};

struct ClientSetup {
  Carrier carrier;
  unsigned flags;
  std::shared_ptr<const Trust> trust;
  std::shared_ptr<const OfferedCertificate> certificate;  ///< null: none is offered
  std::string host;
  std::span<const std::string> alpn;
  Bytes ticket;
  std::function<void(std::vector<std::uint8_t>)> on_ticket;  ///< may be empty
  std::shared_ptr<trace::KeyLog> key_log;
};

/// The application traffic secrets of TLS 1.3 with SHA-256 (RFC 8446 §7.1), as far as they are known. Wiped
/// when destroyed.
struct TrafficSecrets {
  std::optional<TrafficSecret> client, server;

  TrafficSecrets() = default;
  ~TrafficSecrets();
  TrafficSecrets(const TrafficSecrets&) = delete;
  TrafficSecrets& operator=(const TrafficSecrets&) = delete;
};

class Session {
 public:
  Session() = default;
  virtual ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// The Session behind GnuTLS's handle, from inside a callback.
  static Session& of(gnutls_session_t session) {
    return *static_cast<Session*>(gnutls_transport_get_ptr(session));
  }

  Result<> start_server(ServerSetup setup);
  Result<> start_client(ClientSetup setup);

  gnutls_session_t native() const { return handle_.get(); }
  const ServerCredentials* server_credentials() const { return credentials_.get(); }
  /// A client: null where it has none.
  const OfferedCertificate* offered_certificate() const { return offered_.get(); }
  /// A server: the certificate used in the handshake.
  void set_shown(std::shared_ptr<const ServedCertificate> certificate) { shown_ = std::move(certificate); }
  /// A client: the ticket is valid and will be offered.
  bool offers_ticket() const { return offers_ticket_; }
  SessionInfo info() const;
  /// A client's handshake over TCP is complete: TLS 1.2 session data is available only now.
  void keep_older_session();
  /// Of a server's handshake over TCP, once it is complete.
  const TrafficSecrets& traffic_secrets() const { return secrets_; }
  /// Likewise: the client takes only records shorter than usual.
  bool limits_records() const { return limits_records_; }
  /// Why the peer's certificate was refused, if it was; its code is the alert.
  const std::optional<Error>& verify_error() const { return verify_error_; }

 private:
  Result<> init(unsigned flags, Carrier carrier, std::span<const std::string> alpn, bool is_server);
  Result<> init_client(const ClientSetup& setup);
  bool take_ticket(Bytes ticket);
  Result<> verify();
  void keep_secret(std::string_view label, Bytes secret);
  static int on_key_log(gnutls_session_t session, const char* label, const gnutls_datum_t* secret);
  static int on_verify(gnutls_session_t session);
  static int on_handshake_message(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
                                  const gnutls_datum_t* message);
  void on_new_ticket(unsigned when, const gnutls_datum_t& message);

  SessionHandle handle_;
  std::shared_ptr<const ServerCredentials> credentials_;         // null in a client
  std::shared_ptr<const ServedCertificate> shown_;               // null while none was
  std::shared_ptr<const ClientCertificate> client_certificate_;  // that this server verified
  std::shared_ptr<const Trust> trust_;                           // null in a server
  std::shared_ptr<const OfferedCertificate> offered_;            // by this client
  std::string host_;
  std::function<void(std::vector<std::uint8_t>)> on_ticket_;
  std::shared_ptr<trace::KeyLog> key_log_;
  TrafficSecrets secrets_;
  std::optional<Error> verify_error_;
  Carrier carrier_ = Carrier::tcp;
  bool limits_records_ = false;
  bool offers_ticket_ = false;
  bool ticket_allows_early_data_ = false;  // the one that is being read
};

}  // namespace sallyport::tls
