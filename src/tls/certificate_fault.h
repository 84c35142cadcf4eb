// What GnuTLS is asked to check of a peer's certificate, and what it found wrong: as a sentence, and as the
// TLS alert that goes with it (RFC 8446 §6.2). For this layer's own files.
#pragma once

#include "base/result.h"
#include "tls/gnutls_handles.h"

#include <array>
#include <string>
#include <string_view>

namespace sallyport::tls {

/// GnuTLS's checks besides the chain and the dates.
class Demands {
 public:
  /// `purpose`: an OID, GNUTLS_KP_*. Any name will do.
  explicit Demands(std::string_view purpose);
  /// The certificate must cover `host`, too.
  Demands(std::string_view purpose, const std::string& host);
  Demands(const Demands&) = delete;
  Demands& operator=(const Demands&) = delete;
  gnutls_typed_vdata_st* data() { return list_.data(); }
  unsigned size() const { return size_; }

 private:
  std::string purpose_, name_;
  std::array<gnutls_typed_vdata_st, 2> list_{};
  unsigned size_ = 1;
};

/// A peer's certificate as sentences speak of it.
struct Examined {
  std::string subject;      ///< "the certificate of a.test"
  std::string host;         ///< the name that it must cover, where there is one
  std::string source;       ///< where the trusted issuers come from: "ca.pem"
  std::string_view remedy;  ///< how another issuer is trusted: "--ca FILE trusts the issuers in FILE"
  std::string_view kind;    ///< "a server certificate"
};

/// Of a verification that returned `code` and found `status`. The error's code is the alert.
Result<> judge(int code, unsigned status, gnutls_x509_crt_int* leaf, const Examined& examined);

}  // namespace sallyport::tls
