// Owning pointers and small conversions for GnuTLS. For this layer's own .cpp files.
#pragma once

#include "base/bytes.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

namespace sallyport::tls {

template <auto deinit>
struct Deinit {
  template <class T>
  void operator()(T* handle) const {
    deinit(handle);
  }
};

using X509Certificate = std::unique_ptr<gnutls_x509_crt_int, Deinit<gnutls_x509_crt_deinit>>;
using X509Key = std::unique_ptr<gnutls_x509_privkey_int, Deinit<gnutls_x509_privkey_deinit>>;
using PrivateKey = std::unique_ptr<gnutls_privkey_st, Deinit<gnutls_privkey_deinit>>;
using PublicKey = std::unique_ptr<gnutls_pubkey_st, Deinit<gnutls_pubkey_deinit>>;
using CredentialsHandle =
    std::unique_ptr<gnutls_certificate_credentials_st, Deinit<gnutls_certificate_free_credentials>>;
using SessionHandle = std::unique_ptr<gnutls_session_int, Deinit<gnutls_deinit>>;

/// Memory allocated by GnuTLS.
class Datum {
 public:
  Datum() = default;
  ~Datum() { gnutls_free(value.data); }
  Datum(const Datum&) = delete;
  Datum& operator=(const Datum&) = delete;
  Bytes bytes() const { return {value.data, value.size}; }
  std::string_view text() const { return as_text(bytes()); }

  gnutls_datum_t value{nullptr, 0};
};

/// For GnuTLS functions that take read-only data as non-const.
inline gnutls_datum_t datum_of(Bytes bytes) {
  return {const_cast<unsigned char*>(bytes.data()), static_cast<unsigned>(bytes.size())};
}
inline gnutls_datum_t datum_of(std::string_view text) {
  return datum_of(as_bytes(text));
}

/// GnuTLS's error text, without the full stop.
inline std::string error_words(int code) {
  std::string words = gnutls_strerror(code);
  while (!words.empty() && words.back() == '.') words.pop_back();
  return words;
}

/// The certificates in a PEM text, in order; empty when none can be parsed.
std::vector<X509Certificate> parse_certificates(std::string_view pem);

/// Null where it is malformed.
X509Certificate parse_der(Bytes der);

/// SHA-256 of the certificate in DER, in hexadecimal digits.
std::string fingerprint_of(gnutls_x509_crt_t certificate);

}  // namespace sallyport::tls
