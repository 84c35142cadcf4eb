#include "tls/server_credentials.h"

#include "base/hex.h"
#include "tls/priorities.h"
#include "tls/session.h"
#include "tls/signing_key.h"
#include "tls/validity.h"

#include <array>
#include <chrono>

#include <gnutls/crypto.h>

namespace sallyport::tls {
namespace {

/// Whether the client's signature_algorithms include one for this kind of key.
bool client_verifies(gnutls_session_t session, gnutls_pk_algorithm_t algorithm) {
  gnutls_sign_algorithm_t offered = GNUTLS_SIGN_UNKNOWN;
  for (std::size_t i = 0; gnutls_sign_algorithm_get_requested(session, i, &offered) == 0; ++i) {
    if (is_signature_wanted(offered) && gnutls_sign_supports_pk_algorithm(offered, algorithm) != 0)
      return true;
  }
  return false;
}

/// gnutls_certificate_retrieve_function3: passes pointers, so no handshake copies a certificate.
int retrieve(gnutls_session_t session, const gnutls_cert_retr_st*, gnutls_pcert_st** chain,
             unsigned* chain_length, gnutls_ocsp_data_st** ocsp, unsigned* ocsp_length, gnutls_privkey_t* key,
             unsigned* flags) {
  Session& self = Session::of(session);
  ParsedPair& pair = self.server_credentials()->impl().choose(session);
  self.set_shown(pair.served);
  *chain = pair.chain.data();
  *chain_length = static_cast<unsigned>(pair.chain.size());
  *ocsp = nullptr;
  *ocsp_length = 0;
  *key = pair.key.get();
  *flags = 0;
  return 0;
}

std::string fingerprint_of(gnutls_x509_crt_t certificate) {
  std::array<std::uint8_t, 32> digest{};
  std::size_t size = digest.size();
  gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256, digest.data(), &size);
  return to_hex(digest);
}

bool find_key_id(gnutls_privkey_t key, KeyId& id) {
  gnutls_pubkey_t raw = nullptr;
  if (gnutls_pubkey_init(&raw) < 0) return false;
  const PublicKey public_key(raw);
  std::size_t size = id.size();
  return gnutls_pubkey_import_privkey(raw, key, 0, 0) >= 0 &&
         gnutls_pubkey_get_key_id(raw, GNUTLS_KEYID_USE_SHA256, id.data(), &size) >= 0;
}

/// SHA-256 of what the pairs are, each part behind its length.
Result<std::array<std::uint8_t, 32>> digest_of(std::span<const std::unique_ptr<ParsedPair>> pairs) {
  gnutls_hash_hd_t hash = nullptr;
  if (const int code = gnutls_hash_init(&hash, GNUTLS_DIG_SHA256); code < 0)
    return fail(ErrorKind::resource, error_words(code));
  const auto add = [hash](const void* bytes, std::uint64_t size) {
    gnutls_hash(hash, &size, sizeof size);
    gnutls_hash(hash, bytes, size);
  };
  for (const auto& pair : pairs) {
    const std::uint64_t certificates = pair->chain.size();
    add(&certificates, sizeof certificates);
    add(pair->key_id.data(), pair->key_id.size());
    for (const gnutls_pcert_st& certificate : pair->chain) add(certificate.cert.data, certificate.cert.size);
  }
  std::array<std::uint8_t, 32> digest{};
  gnutls_hash_deinit(hash, digest.data());
  return digest;
}

}  // namespace

std::string sni_of(gnutls_session_t session) {
  std::array<char, 256> name;
  std::size_t size = name.size();
  unsigned type = 0;
  // There are no other types than host names (RFC 6066 §3).
  if (gnutls_server_name_get(session, name.data(), &size, &type, 0) != 0) return {};
  return std::string(name.data(), size);
}

Result<std::unique_ptr<ParsedPair>> ParsedPair::parse(const KeyPair& pair) {
  std::unique_ptr<ParsedPair> result(new ParsedPair);
  const std::vector<X509Certificate> certificates = parse_certificates(pair.certificate_pem);
  if (certificates.empty()) return fail(ErrorKind::file, "a certificate is not in PEM form");
  result->served = std::make_shared<const ServedCertificate>(names_of(certificates.front().get()),
                                                             fingerprint_of(certificates.front().get()));
  const std::vector<std::string>& names = result->served->names();
  unsigned bits = 0;
  result->algorithm =
      static_cast<gnutls_pk_algorithm_t>(gnutls_x509_crt_get_pk_algorithm(certificates.front().get(), &bits));

  gnutls_privkey_t key = nullptr;
  gnutls_privkey_init(&key);
  result->key.reset(key);
  const gnutls_datum_t key_pem = datum_of(pair.key_pem);
  if (gnutls_privkey_import_x509_raw(key, &key_pem, GNUTLS_X509_FMT_PEM, nullptr, 0) < 0 ||
      !find_key_id(key, result->key_id)) {
    return fail(ErrorKind::file, "the key of the certificate for " + quote_names(names) + " cannot be used");
  }
  if (PrivateKey quick = make_signing_key(key, pair.key_pem)) result->key = std::move(quick);
  result->chain.reserve(certificates.size());
  for (const X509Certificate& certificate : certificates) {
    gnutls_pcert_st parsed{};
    if (const int code = gnutls_pcert_import_x509(&parsed, certificate.get(), 0); code < 0) {
      return fail(ErrorKind::file,
                  "the certificate for " + quote_names(names) + " cannot be used: " + error_words(code));
    }
    result->chain.push_back(parsed);
  }
  return result;
}

ParsedPair::~ParsedPair() {
  for (gnutls_pcert_st& certificate : chain) gnutls_pcert_deinit(&certificate);
}

std::string ParsedPair::describe() const {
  gnutls_x509_crt_t certificate = nullptr;
  if (gnutls_x509_crt_init(&certificate) < 0) return {};
  const X509Certificate owner(certificate);
  gnutls_x509_crt_import(certificate, &chain.front().cert, GNUTLS_X509_FMT_DER);

  std::string text;
  for (const std::string& name : served->names()) text += (text.empty() ? "" : ", ") + name;
  if (text.empty()) text = "no name";
  if (gnutls_x509_crt_check_issuer(certificate, certificate) != 0) {
    text += "; self-signed";
  } else {
    Datum issuer;
    gnutls_x509_crt_get_issuer_dn3(certificate, &issuer.value, 0);
    text += "; issued by " + std::string(issuer.text());
  }
  const std::chrono::seconds until(gnutls_x509_crt_get_expiration_time(certificate));
  text += "; valid until " + date_text(std::chrono::sys_seconds(until));
  return text + "; SHA-256 " + served->fingerprint();
}

ParsedPair& ServerCredentials::Impl::choose(gnutls_session_t session) const {
  const std::span<const std::size_t> named = index.find(sni_of(session));
  for (const std::size_t i : named) {
    if (client_verifies(session, pairs[i]->algorithm)) return *pairs[i];
  }
  // The fallback; GnuTLS ends the handshake where the client cannot verify it.
  return *pairs[named.empty() ? 0 : named.front()];
}

Result<std::shared_ptr<const ServerCredentials>> ServerCredentials::make(const std::vector<KeyPair>& pairs) {
  if (pairs.empty())
    return fail(ErrorKind::usage,
                "a TLS server needs a certificate (--cert and --key, or --self-signed NAME)");
  auto impl = std::make_unique<Impl>();
  gnutls_certificate_credentials_t handle = nullptr;
  if (const int code = gnutls_certificate_allocate_credentials(&handle); code < 0) {
    return fail(ErrorKind::resource, error_words(code));
  }
  impl->handle.reset(handle);
  gnutls_certificate_set_retrieve_function3(handle, retrieve);
  for (const KeyPair& pair : pairs) {
    auto parsed = ParsedPair::parse(pair);
    if (!parsed) return std::unexpected(parsed.error());
    for (const std::string& name : (*parsed)->served->names()) impl->index.add(name, impl->pairs.size());
    impl->pairs.push_back(std::move(*parsed));
  }
  const auto digest = digest_of(impl->pairs);
  if (!digest) return std::unexpected(digest.error());
  impl->digest = *digest;
  return std::shared_ptr<const ServerCredentials>(new ServerCredentials(std::move(impl)));
}

ServerCredentials::ServerCredentials(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ServerCredentials::~ServerCredentials() = default;

gnutls_certificate_credentials_st* ServerCredentials::native() const {
  return impl_->handle.get();
}

bool ServerCredentials::same_as(const ServerCredentials& other) const {
  return impl_->digest == other.impl_->digest;
}

std::vector<std::string> ServerCredentials::describe() const {
  std::vector<std::string> lines;
  for (const auto& pair : impl_->pairs) lines.push_back(pair->describe());
  return lines;
}

}  // namespace sallyport::tls
