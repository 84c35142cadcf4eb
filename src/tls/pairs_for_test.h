// For tests: key pairs that make_self_signed does not make: with any dates, and with RSA keys.
#pragma once

#include "tls/certificate.h"
#include "tls/gnutls_handles.h"

#include <ctime>
#include <string>
#include <vector>

namespace sallyport::tls {

inline X509Key read_key(const KeyPair& pair) {
  gnutls_x509_privkey_t raw = nullptr;
  gnutls_x509_privkey_init(&raw);
  const gnutls_datum_t pem = datum_of(pair.key_pem);
  gnutls_x509_privkey_import(raw, &pem, GNUTLS_X509_FMT_PEM);
  return X509Key(raw);
}

/// Self-signs the certificate; PEM.
inline std::string sign(gnutls_x509_crt_t certificate, gnutls_x509_privkey_t key) {
  gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0);
  Datum pem;
  gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem.value);
  return std::string(pem.text());
}

/// `pair` with other dates, in seconds since 1970.
inline KeyPair dated(const KeyPair& pair, std::time_t from, std::time_t until) {
  const auto chain = parse_certificates(pair.certificate_pem);
  gnutls_x509_crt_set_activation_time(chain[0].get(), from);
  gnutls_x509_crt_set_expiration_time(chain[0].get(), until);
  return {sign(chain[0].get(), read_key(pair).get()), pair.key_pem};
}

/// A certificate for `names`, signed by an authority with this common name.
inline KeyPair signed_by_another(const std::vector<std::string>& names, const std::string& authority) {
  const KeyPair pair = *make_self_signed(names), issuer = *make_self_signed({authority});
  const auto chain = parse_certificates(pair.certificate_pem);
  const auto above = parse_certificates(issuer.certificate_pem);
  gnutls_x509_crt_sign2(chain[0].get(), above[0].get(), read_key(issuer).get(), GNUTLS_DIG_SHA256, 0);
  Datum pem;
  gnutls_x509_crt_export2(chain[0].get(), GNUTLS_X509_FMT_PEM, &pem.value);
  return {std::string(pem.text()), pair.key_pem};
}

/// `pair` with an RSA key of 2,048 bits.
inline KeyPair with_rsa_key(const KeyPair& pair) {
  gnutls_x509_privkey_t raw = nullptr;
  gnutls_x509_privkey_init(&raw);
  const X509Key key(raw);
  gnutls_x509_privkey_generate(raw, GNUTLS_PK_RSA, 2048, 0);
  const auto chain = parse_certificates(pair.certificate_pem);
  gnutls_x509_crt_set_key(chain[0].get(), raw);
  Datum pem;
  gnutls_x509_privkey_export2(raw, GNUTLS_X509_FMT_PEM, &pem.value);
  return {sign(chain[0].get(), raw), std::string(pem.text())};
}

}  // namespace sallyport::tls
