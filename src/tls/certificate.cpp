#include "tls/certificate.h"

#include "base/file.h"
#include "base/hex.h"
#include "tls/gnutls_handles.h"
#include "tls/names.h"

#include <array>
#include <optional>

#include <gnutls/crypto.h>

namespace sallyport::tls {
namespace {

constexpr std::size_t largest_pem = 1024 * 1024;

using KeyId = std::array<std::uint8_t, 32>;

std::optional<KeyId> key_id_of(gnutls_x509_crt_int* certificate) {
  KeyId id{};
  std::size_t size = id.size();
  if (gnutls_x509_crt_get_key_id(certificate, GNUTLS_KEYID_USE_SHA256, id.data(), &size) != 0)
    return std::nullopt;
  return id;
}

std::optional<KeyId> key_id_of(gnutls_x509_privkey_int* key) {
  KeyId id{};
  std::size_t size = id.size();
  if (gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id.data(), &size) != 0)
    return std::nullopt;
  return id;
}

}  // namespace

std::vector<X509Certificate> parse_certificates(std::string_view pem) {
  const gnutls_datum_t data = datum_of(pem);
  gnutls_x509_crt_t* list = nullptr;
  unsigned size = 0;
  std::vector<X509Certificate> certificates;
  if (gnutls_x509_crt_list_import2(&list, &size, &data, GNUTLS_X509_FMT_PEM, 0) < 0) return certificates;
  for (unsigned i = 0; i < size; ++i) certificates.emplace_back(list[i]);
  gnutls_free(list);
  return certificates;
}

X509Certificate parse_der(Bytes der) {
  const gnutls_datum_t data = datum_of(der);
  gnutls_x509_crt_t raw = nullptr;
  if (gnutls_x509_crt_init(&raw) < 0) return nullptr;
  X509Certificate certificate(raw);
  if (gnutls_x509_crt_import(raw, &data, GNUTLS_X509_FMT_DER) < 0) return nullptr;
  return certificate;
}

std::string fingerprint_of(gnutls_x509_crt_t certificate) {
  std::array<std::uint8_t, 32> digest{};
  std::size_t size = digest.size();
  gnutls_x509_crt_get_fingerprint(certificate, GNUTLS_DIG_SHA256, digest.data(), &size);
  return to_hex(digest);
}

Result<KeyPair> load_key_pair(const std::string& certificate_file, const std::string& key_file) {
  auto certificate_pem = read_file(certificate_file, largest_pem);
  if (!certificate_pem) return std::unexpected(certificate_pem.error());
  auto key_pem = read_file(key_file, largest_pem);
  if (!key_pem) return std::unexpected(key_pem.error());

  const std::vector<X509Certificate> chain = parse_certificates(*certificate_pem);
  if (chain.empty()) return fail(ErrorKind::file, certificate_file + " holds no certificate in PEM form");

  gnutls_x509_privkey_t raw_key = nullptr;
  gnutls_x509_privkey_init(&raw_key);
  const X509Key key(raw_key);
  const gnutls_datum_t key_data = datum_of(*key_pem);
  const int imported = gnutls_x509_privkey_import2(raw_key, &key_data, GNUTLS_X509_FMT_PEM, nullptr, 0);
  if (imported == GNUTLS_E_DECRYPTION_FAILED) {
    return fail(ErrorKind::file,
                "the key in " + key_file + " is encrypted with a passphrase; give an unencrypted one");
  }
  if (imported < 0) return fail(ErrorKind::file, key_file + " holds no private key in PEM form");

  const auto of_certificate = key_id_of(chain.front().get());
  if (!of_certificate || of_certificate != key_id_of(raw_key)) {
    return fail(ErrorKind::file,
                "the key in " + key_file + " does not match the first certificate in " + certificate_file);
  }
  return KeyPair{std::move(*certificate_pem), std::move(*key_pem)};
}

Result<std::string> spki_fingerprint(std::string_view certificate_pem) {
  const std::vector<X509Certificate> chain = parse_certificates(certificate_pem);
  // GnuTLS's key ID with SHA-256 is the hash of the SubjectPublicKeyInfo.
  const auto id = chain.empty() ? std::nullopt : key_id_of(chain.front().get());
  if (!id) return fail(ErrorKind::file, "there is no certificate in PEM form");
  const gnutls_datum_t raw = datum_of(Bytes(*id));
  Datum encoded;
  if (const int code = gnutls_base64_encode2(&raw, &encoded.value); code < 0) {
    return fail(ErrorKind::resource, error_words(code));
  }
  return std::string(encoded.text());
}

Result<std::vector<std::string>> certificate_names(std::string_view certificate_pem) {
  const std::vector<X509Certificate> chain = parse_certificates(certificate_pem);
  if (chain.empty()) return fail(ErrorKind::file, "there is no certificate in PEM form");
  return names_of(chain.front().get());
}

}  // namespace sallyport::tls
