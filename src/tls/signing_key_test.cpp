#include "tls/signing_key.h"

#include "tls/pairs_for_test.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

PrivateKey parse(const std::string& pem) {
  gnutls_privkey_t raw = nullptr;
  gnutls_privkey_init(&raw);
  const gnutls_datum_t text = datum_of(pem);
  EXPECT_EQ(gnutls_privkey_import_x509_raw(raw, &text, GNUTLS_X509_FMT_PEM, nullptr, 0), 0);
  return PrivateKey(raw);
}

std::string generate(gnutls_pk_algorithm_t algorithm, unsigned bits) {
  gnutls_x509_privkey_t raw = nullptr;
  gnutls_x509_privkey_init(&raw);
  const X509Key key(raw);
  EXPECT_EQ(gnutls_x509_privkey_generate(raw, algorithm, bits, 0), 0);
  Datum pem;
  gnutls_x509_privkey_export2_pkcs8(raw, GNUTLS_X509_FMT_PEM, nullptr, GNUTLS_PKCS_PLAIN, &pem.value);
  return std::string(pem.text());
}

/// Whether GnuTLS verifies, by the key that it parsed, what `key` signs.
bool is_signature_good(gnutls_privkey_t key, gnutls_privkey_t parsed, gnutls_sign_algorithm_t algorithm) {
  gnutls_pubkey_t raw = nullptr;
  gnutls_pubkey_init(&raw);
  const PublicKey verifier(raw);
  EXPECT_EQ(gnutls_pubkey_import_privkey(raw, parsed, 0, 0), 0);
  const std::string text(300, 't');
  const gnutls_datum_t data = datum_of(text);
  Datum signature;
  return gnutls_privkey_sign_data2(key, algorithm, 0, &data, &signature.value) == 0 &&
         gnutls_pubkey_verify_data2(raw, algorithm, 0, &data, &signature.value) >= 0;
}

TEST(SigningKey, SignsAsGnuTlsVerifies) {
  struct Case {
    std::string pem;
    std::vector<gnutls_sign_algorithm_t> algorithms;
  };
  const std::vector<Case> cases{
      {make_self_signed({"a.test"})->key_pem, {GNUTLS_SIGN_ECDSA_SHA256, GNUTLS_SIGN_ECDSA_SECP256R1_SHA256}},
      {generate(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP384R1)),
       {GNUTLS_SIGN_ECDSA_SHA384, GNUTLS_SIGN_ECDSA_SECP384R1_SHA384}},
      {generate(GNUTLS_PK_RSA, 2048),
       {GNUTLS_SIGN_RSA_SHA256, GNUTLS_SIGN_RSA_SHA384, GNUTLS_SIGN_RSA_SHA512,
        GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, GNUTLS_SIGN_RSA_PSS_RSAE_SHA512}}};
  for (const Case& each : cases) {
    const PrivateKey parsed = parse(each.pem);
    const PrivateKey key = make_signing_key(parsed.get(), each.pem);
    ASSERT_TRUE(key);
    EXPECT_EQ(gnutls_privkey_get_type(key.get()), GNUTLS_PRIVKEY_EXT);
    unsigned bits = 0, expected = 0;
    EXPECT_EQ(gnutls_privkey_get_pk_algorithm(key.get(), &bits),
              gnutls_privkey_get_pk_algorithm(parsed.get(), &expected));
    EXPECT_EQ(bits, expected);
    for (const gnutls_sign_algorithm_t algorithm : each.algorithms)
      EXPECT_TRUE(is_signature_good(key.get(), parsed.get(), algorithm)) << gnutls_sign_get_name(algorithm);
  }
}

TEST(SigningKey, LeavesOtherKeysToGnuTls) {
  const std::string ed25519 =
      generate(GNUTLS_PK_EDDSA_ED25519, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519));
  EXPECT_FALSE(make_signing_key(parse(ed25519).get(), ed25519));
  // As where libcrypto takes a form of key for another, or not at all.
  const std::string rsa = generate(GNUTLS_PK_RSA, 2048);
  EXPECT_FALSE(make_signing_key(parse(rsa).get(), "no key"));
  EXPECT_FALSE(make_signing_key(parse(rsa).get(), make_self_signed({"a.test"})->key_pem));
}

}  // namespace
}  // namespace sallyport::tls
