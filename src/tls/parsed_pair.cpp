#include "tls/parsed_pair.h"

#include "tls/signing_key.h"
#include "tls/validity.h"

#include <chrono>

namespace sallyport::tls {
namespace {

bool find_key_id(gnutls_privkey_t key, KeyId& id) {
  gnutls_pubkey_t raw = nullptr;
  if (gnutls_pubkey_init(&raw) < 0) return false;
  const PublicKey public_key(raw);
  std::size_t size = id.size();
  return gnutls_pubkey_import_privkey(raw, key, 0, 0) >= 0 &&
         gnutls_pubkey_get_key_id(raw, GNUTLS_KEYID_USE_SHA256, id.data(), &size) >= 0;
}

}  // namespace

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

}  // namespace sallyport::tls
