// Credentials: a server's certificates, selected by SNI, and the client certificates that it takes; a
// client's trust anchors, and the certificate that it offers. GnuTLS behind small types; used by quic and by
// tls::Stream.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "tls/certificate.h"
#include "tls/server_secret.h"
#include "tls/session_cache.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct gnutls_session_int;
struct gnutls_certificate_credentials_st;

namespace sallyport::tls {

/// Which certificates a server asks its clients for.
struct ClientVerification {
  /// The content of a file that holds certificates of authorities, PEM.
  struct File {
    std::string name;  ///< for errors
    std::string pem;
  };
  std::vector<File> authorities{};  ///< none: no client is asked
  bool required = true;             ///< false: who has no certificate is served, too
};

/// A server's certificates, and what it asks of its clients. Immutable; shared by workers. With authorities
/// for client certificates there is no session resumption and no 0-RTT, so that each connection is verified,
/// by the authorities of its time.
class ServerCredentials {
 public:
  /// The first pair answers clients that send no or an unknown SNI. Several pairs may cover one name with
  /// keys of different algorithms: the first one that the client's signature_algorithms allow is used.
  static Result<std::shared_ptr<const ServerCredentials>> make(const std::vector<KeyPair>& pairs,
                                                               const ClientVerification& clients = {});
  ~ServerCredentials();
  /// Only for sessions of this layer: selection by SNI finds its context through the session's transport
  /// pointer.
  gnutls_certificate_credentials_st* native() const;
  /// Whether both have the same chains and keys in the same order, and ask the same of clients, so a
  /// replacement is not needed.
  bool same_as(const ServerCredentials& other) const;
  /// For people, a line for each pair: names, issuer or "self-signed", expiry, and SHA-256 fingerprint of the
  /// certificate. Nothing of the key.
  std::vector<std::string> describe() const;
  bool asks_clients() const;
  /// A client without a certificate is refused.
  bool requires_client_certificate() const;
  /// Likewise, a line for each authority whose client certificates are taken.
  std::vector<std::string> describe_client_authorities() const;

  struct Impl;  ///< for this layer's own files
  const Impl& impl() const { return *impl_; }

 private:
  explicit ServerCredentials(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class ParsedPair;

/// The certificate that a client offers to servers that ask for one. Immutable and shared.
class OfferedCertificate {
 public:
  static Result<std::shared_ptr<const OfferedCertificate>> make(const KeyPair& pair);
  ~OfferedCertificate();
  bool same_as(const OfferedCertificate& other) const;
  /// As ServerCredentials::describe().
  std::string describe() const;

  ParsedPair& pair() const { return *pair_; }  ///< for this layer's own files

 private:
  explicit OfferedCertificate(std::unique_ptr<ParsedPair> pair);
  std::unique_ptr<ParsedPair> pair_;
};

struct TrustOptions {
  std::vector<std::string> ca_files{};  ///< PEM; none: the system's
  bool insecure = false;                ///< -k: any certificate
};

/// A client's trust anchors. Immutable and shared.
class Trust {
 public:
  static Result<std::shared_ptr<const Trust>> make(const TrustOptions& options);
  ~Trust();
  /// Only for sessions of this layer, as ServerCredentials::native().
  gnutls_certificate_credentials_st* native() const;
  bool insecure() const;
  /// The source of the authorities, for errors: "FILE", "FILE and FILE" or "the system's store".
  const std::string& source() const;

 private:
  struct Impl;
  explicit Trust(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Verifies the certificates of `session`'s peer: chain, dates, purpose, name, stapled OCSP. `session` was
/// set up with `trust`. The error says which check failed, with the certificate's names; its code is the TLS
/// alert for the peer. Always succeeds when `trust` is insecure.
Result<> verify_peer(gnutls_session_int* session, const Trust& trust, const std::string& host);

/// The same for given certificates (DER, the server's own first).
Result<> verify_chain(std::span<const Bytes> chain, const Trust& trust, const std::string& host);

/// Of a handshake that ended because a client certificate was required and none was sent.
inline constexpr std::string_view no_client_certificate = "the client sent no certificate, which is required";

}  // namespace sallyport::tls
