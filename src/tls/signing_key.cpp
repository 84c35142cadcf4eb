#include "tls/signing_key.h"

#include <memory>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace sallyport::tls {
namespace {

using EvpKey = std::unique_ptr<EVP_PKEY, Deinit<EVP_PKEY_free>>;
using EvpContext = std::unique_ptr<EVP_PKEY_CTX, Deinit<EVP_PKEY_CTX_free>>;
using Bio = std::unique_ptr<BIO, Deinit<BIO_free>>;

struct SigningKey {
  EvpKey key;
  gnutls_pk_algorithm_t algorithm = GNUTLS_PK_UNKNOWN;
  unsigned bits = 0;
};

/// Without a question for a password on the terminal.
EvpKey parse(std::string_view pem) {
  const Bio source(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  if (!source) return nullptr;
  EvpKey key(
      PEM_read_bio_PrivateKey(source.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
  ERR_clear_error();
  return key;
}

const EVP_MD* hash_of(gnutls_sign_algorithm_t algorithm) {
  switch (gnutls_sign_get_hash_algorithm(algorithm)) {
    case GNUTLS_DIG_SHA256:
      return EVP_sha256();
    case GNUTLS_DIG_SHA384:
      return EVP_sha384();
    case GNUTLS_DIG_SHA512:
      return EVP_sha512();
    default:
      return nullptr;
  }
}

bool is_pss(gnutls_sign_algorithm_t algorithm) {
  return algorithm == GNUTLS_SIGN_RSA_PSS_RSAE_SHA256 || algorithm == GNUTLS_SIGN_RSA_PSS_RSAE_SHA384 ||
         algorithm == GNUTLS_SIGN_RSA_PSS_RSAE_SHA512;
}

bool prepare(EVP_PKEY_CTX* context, gnutls_sign_algorithm_t algorithm) {
  if (EVP_PKEY_sign_init(context) <= 0) return false;
  if (is_pss(algorithm))  // RFC 8446 §4.2.3: the salt is as long as the hash
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
           EVP_PKEY_CTX_set_signature_md(context, hash_of(algorithm)) > 0 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
  // GnuTLS names it so where the hash stands in its DigestInfo already (RFC 8017 §9.2).
  if (algorithm == GNUTLS_SIGN_RSA_RAW) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
  return true;
}

/// gnutls_privkey_sign_hash_func
int sign(gnutls_privkey_t, gnutls_sign_algorithm_t algorithm, void* data, unsigned,
         const gnutls_datum_t* hash, gnutls_datum_t* signature) {
  const auto& self = *static_cast<const SigningKey*>(data);
  const EvpContext context(EVP_PKEY_CTX_new(self.key.get(), nullptr));
  std::size_t size = 0;
  if (context && prepare(context.get(), algorithm) &&
      EVP_PKEY_sign(context.get(), nullptr, &size, hash->data, hash->size) > 0) {
    signature->data = static_cast<unsigned char*>(gnutls_malloc(size));
    if (signature->data != nullptr &&
        EVP_PKEY_sign(context.get(), signature->data, &size, hash->data, hash->size) > 0) {
      signature->size = static_cast<unsigned>(size);
      return 0;
    }
    gnutls_free(signature->data);
    signature->data = nullptr;
  }
  ERR_clear_error();
  return GNUTLS_E_PK_SIGN_FAILED;
}

/// gnutls_privkey_info_func
int describe(gnutls_privkey_t, unsigned flags, void* data) {
  const auto& self = *static_cast<const SigningKey*>(data);
  if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO) != 0) return static_cast<int>(self.algorithm);
  if ((flags & GNUTLS_PRIVKEY_INFO_PK_ALGO_BITS) != 0) return static_cast<int>(self.bits);
  if ((flags & GNUTLS_PRIVKEY_INFO_HAVE_SIGN_ALGO) == 0) return -1;
  const auto algorithm = static_cast<gnutls_sign_algorithm_t>(GNUTLS_FLAGS_TO_SIGN_ALGO(flags));
  const bool is_known = algorithm == GNUTLS_SIGN_RSA_RAW || hash_of(algorithm) != nullptr;
  return is_known && gnutls_sign_supports_pk_algorithm(algorithm, self.algorithm) != 0 ? 1 : 0;
}

void destroy(gnutls_privkey_t, void* data) {
  delete static_cast<SigningKey*>(data);
}

}  // namespace

PrivateKey make_signing_key(gnutls_privkey_t parsed, std::string_view pem) {
  auto self = std::make_unique<SigningKey>();
  self->algorithm = static_cast<gnutls_pk_algorithm_t>(gnutls_privkey_get_pk_algorithm(parsed, &self->bits));
  if (self->algorithm != GNUTLS_PK_RSA && self->algorithm != GNUTLS_PK_ECDSA) return nullptr;
  self->key = parse(pem);
  const int type = self->algorithm == GNUTLS_PK_RSA ? EVP_PKEY_RSA : EVP_PKEY_EC;
  if (!self->key || EVP_PKEY_get_base_id(self->key.get()) != type) return nullptr;
  gnutls_privkey_t raw = nullptr;
  if (gnutls_privkey_init(&raw) < 0) return nullptr;
  PrivateKey key(raw);
  if (gnutls_privkey_import_ext4(raw, self.get(), nullptr, sign, nullptr, destroy, describe, 0) < 0)
    return nullptr;
  [[maybe_unused]] const SigningKey* const owned_by_gnutls = self.release();
  return key;
}

}  // namespace sallyport::tls
