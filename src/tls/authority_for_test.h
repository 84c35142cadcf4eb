// For tests: an authority that issues certificates for clients, good ones and others.
#pragma once

#include "tls/certificate.h"
#include "tls/credentials.h"
#include "tls/gnutls_handles.h"

#include <array>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

namespace sallyport::tls {

class AuthorityForTest {
 public:
  struct Wanted {
    const char* purpose = GNUTLS_KP_TLS_WWW_CLIENT;  ///< null: for everything
    std::time_t from = std::time(nullptr) - 3600, until = std::time(nullptr) + 86400;
    bool rsa = false;
  };

  explicit AuthorityForTest(std::string name, const AuthorityForTest* issuer = nullptr)
      : name_(std::move(name)), key_(make_key(false)) {
    certificate_ = make(name_, key_.get(), {.purpose = nullptr}, true, issuer);
  }
  /// A certificate whose common name is `name`.
  KeyPair issue(const std::string& name) const { return issue(name, {}); }
  KeyPair issue(const std::string& name, const Wanted& wanted) const {
    const X509Key key = make_key(wanted.rsa);
    Datum pem;
    gnutls_x509_privkey_export2_pkcs8(key.get(), GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &pem.value);
    return {pem_of(make(name, key.get(), wanted, false, this).get()), std::string(pem.text())};
  }
  /// With an RSA key of such numbers, whose private half nobody has.
  X509Certificate issue_for_rsa(std::size_t modulus_bits, std::size_t exponent_bits) const {
    std::vector<std::uint8_t> modulus(modulus_bits / 8, 0xc3), exponent(exponent_bits / 8, 0xc1);
    const gnutls_datum_t m{modulus.data(), static_cast<unsigned>(modulus.size())};
    const gnutls_datum_t e{exponent.data(), static_cast<unsigned>(exponent.size())};
    gnutls_pubkey_t key = nullptr;
    gnutls_pubkey_init(&key);
    gnutls_pubkey_import_rsa_raw(key, &m, &e);
    const X509Key placeholder = make_key(false);
    X509Certificate made = make("eve", placeholder.get(), {}, false, this);
    gnutls_x509_crt_set_pubkey(made.get(), key);
    gnutls_pubkey_deinit(key);
    gnutls_x509_crt_sign2(made.get(), certificate_.get(), key_.get(), GNUTLS_DIG_SHA256, 0);
    return made;
  }
  std::string pem() const { return pem_of(certificate_.get()); }

  static std::string pem_of(gnutls_x509_crt_t certificate) {
    Datum pem;
    gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem.value);
    return std::string(pem.text());
  }

 private:
  static X509Key make_key(bool rsa) {
    gnutls_x509_privkey_t raw = nullptr;
    gnutls_x509_privkey_init(&raw);
    if (rsa)
      gnutls_x509_privkey_generate(raw, GNUTLS_PK_RSA, 2048, 0);
    else
      gnutls_x509_privkey_generate(raw, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    return X509Key(raw);
  }
  static X509Certificate make(const std::string& name, gnutls_x509_privkey_t key, const Wanted& wanted,
                              bool is_authority, const AuthorityForTest* issuer) {
    gnutls_x509_crt_t raw = nullptr;
    gnutls_x509_crt_init(&raw);
    X509Certificate made(raw);
    gnutls_x509_crt_set_version(raw, 3);
    std::array<unsigned char, 8> serial;
    gnutls_rnd(GNUTLS_RND_NONCE, serial.data(), serial.size());
    serial[0] = static_cast<unsigned char>((serial[0] & 0x7f) | 0x40);
    gnutls_x509_crt_set_serial(raw, serial.data(), serial.size());
    gnutls_x509_crt_set_activation_time(raw, wanted.from);
    gnutls_x509_crt_set_expiration_time(raw, wanted.until);
    if (!name.empty())
      gnutls_x509_crt_set_dn_by_oid(raw, GNUTLS_OID_X520_COMMON_NAME, 0, name.data(),
                                    static_cast<unsigned>(name.size()));
    gnutls_x509_crt_set_basic_constraints(raw, is_authority ? 1 : 0, -1);
    gnutls_x509_crt_set_key_usage(raw,
                                  is_authority ? GNUTLS_KEY_KEY_CERT_SIGN : GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (wanted.purpose != nullptr) gnutls_x509_crt_set_key_purpose_oid(raw, wanted.purpose, 0);
    gnutls_x509_crt_set_key(raw, key);
    gnutls_x509_crt_sign2(raw, issuer != nullptr ? issuer->certificate_.get() : raw,
                          issuer != nullptr ? issuer->key_.get() : key, GNUTLS_DIG_SHA256, 0);
    return made;
  }

  const std::string name_;
  X509Key key_;
  X509Certificate certificate_;
};

/// A server that takes client certificates of `authority`.
inline ClientVerification clients_of(const AuthorityForTest& authority, bool required = true) {
  return {.authorities = {{"clients.pem", authority.pem()}}, .required = required};
}

}  // namespace sallyport::tls
