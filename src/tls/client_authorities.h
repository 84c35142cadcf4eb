// ClientAuthorities: the issuers whose client certificates a server takes, and the check of a client's. For
// this layer's own files.
#pragma once

#include "tls/client_certificate.h"
#include "tls/credentials.h"
#include "tls/gnutls_handles.h"

#include <memory>
#include <string>
#include <vector>

namespace sallyport::tls {

class ClientAuthorities {
 public:
  /// `credentials` trusts them from then on, and names them to clients in its CertificateRequest (RFC 8446
  /// §4.2.4). The error names the file.
  static Result<ClientAuthorities> make(gnutls_certificate_credentials_t credentials,
                                        const ClientVerification& wanted);

  bool required() const { return required_; }
  /// For people, a line for each authority.
  const std::vector<std::string>& describe() const { return described_; }
  /// SHA-256 of each certificate, in hexadecimal digits.
  const std::vector<std::string>& fingerprints() const { return fingerprints_; }

  /// Of the client of `session`, which uses these credentials: chain, dates and purpose. Null: it sent none,
  /// and need not. The error's code is the TLS alert for the client.
  Result<std::shared_ptr<const ClientCertificate>> verify(gnutls_session_t session) const;

 private:
  ClientAuthorities() = default;

  bool required_ = true;
  std::string source_;
  std::vector<std::string> described_, fingerprints_;
};

}  // namespace sallyport::tls
