// Credentials: what a server shows (certificates by SNI) and what a client trusts. GnuTLS behind small types;
// used by quic and by tls::Stream.
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

/// What a server shows. Immutable and shared by workers once built.
class ServerCredentials {
 public:
  /// The first pair answers clients that send no or an unknown SNI. Several pairs may cover one name with
  /// keys of different algorithms: the first whose key the client can verify is shown.
  static Result<std::shared_ptr<const ServerCredentials>> make(const std::vector<KeyPair>& pairs);
  ~ServerCredentials();
  /// Only for sessions of this layer: the choice by SNI looks for its context behind the session's transport
  /// pointer.
  gnutls_certificate_credentials_st* native() const;
  /// The same chains and keys in the same order: whoever has these need not take `other` in their place.
  bool same_as(const ServerCredentials& other) const;
  /// For people, a line for each pair: names, who issued the certificate or that it signed itself, until when
  /// it is valid, and its SHA-256 fingerprint. Nothing of the key.
  std::vector<std::string> describe() const;

  struct Impl;  ///< for this layer's own files
  const Impl& impl() const { return *impl_; }

 private:
  explicit ServerCredentials(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct TrustOptions {
  std::string ca_file;    ///< PEM; empty: the system's
  bool insecure = false;  ///< -k: any certificate
};

/// What a client trusts. Immutable and shared.
class Trust {
 public:
  static Result<std::shared_ptr<const Trust>> make(const TrustOptions& options);
  ~Trust();
  gnutls_certificate_credentials_st* native() const;
  bool insecure() const;
  /// Where the authorities come from, as it reads in an error: "FILE" or "the system's store".
  const std::string& source() const;

 private:
  struct Impl;
  explicit Trust(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Verifies the certificates that the peer of `session` showed: chain, dates, purpose, name, stapled OCSP.
/// `session` was set up with `trust`. The error says which of them failed, in words, with the certificate's
/// own names, and its code is the TLS alert that says so to the peer. Nothing is wrong when `trust` is
/// insecure.
Result<> verify_peer(gnutls_session_int* session, const Trust& trust, const std::string& host);

/// The same for certificates at hand (DER, the server's own first).
Result<> verify_chain(std::span<const Bytes> chain, const Trust& trust, const std::string& host);

}  // namespace sallyport::tls
