#include "tls/client_authorities.h"

#include "tls/certificate_fault.h"
#include "tls/validity.h"

#include <chrono>
#include <span>

namespace sallyport::tls {
namespace {

/// Of all names in a CertificateRequest. RFC 8446 §4.2.4 has room for 64 KiB, clients' buffers for less.
constexpr std::size_t longest_names = 32 * 1024;
/// Of a client, whose certificates are kept as long as its connection.
constexpr std::size_t largest_chain = 32 * 1024;

constexpr std::string_view flag = "--client-ca";

std::string subject_of(gnutls_x509_crt_int* certificate) {
  Datum name;
  if (gnutls_x509_crt_get_dn3(certificate, &name.value, 0) < 0) return {};
  return std::string(name.text());
}

std::size_t size_of_name(gnutls_x509_crt_int* certificate) {
  Datum name;
  return gnutls_x509_crt_get_raw_dn(certificate, &name.value) < 0 ? 0 : name.bytes().size();
}

std::string base64(const gnutls_datum_t& bytes) {
  Datum encoded;
  return gnutls_base64_encode2(&bytes, &encoded.value) < 0 ? std::string() : std::string(encoded.text());
}

}  // namespace

Result<ClientAuthorities> ClientAuthorities::make(gnutls_certificate_credentials_t credentials,
                                                  const ClientVerification& wanted) {
  ClientAuthorities made;
  made.required_ = wanted.required;
  std::size_t names = 0;
  for (const ClientVerification::File& file : wanted.authorities) {
    made.source_ += (made.source_.empty() ? "" : " and ") + file.name;
    const std::vector<X509Certificate> certificates = parse_certificates(file.pem);
    if (certificates.empty())
      return fail(ErrorKind::file,
                  std::string(flag) + ": " + file.name + " holds no certificate in PEM form");
    for (const X509Certificate& certificate : certificates) {
      gnutls_x509_crt_t raw = certificate.get();
      if (const int code = gnutls_certificate_set_x509_trust(credentials, &raw, 1); code < 0)
        return fail(ErrorKind::file, std::string(flag) + ": a certificate in " + file.name +
                                         " cannot be used: " + error_words(code));
      constexpr std::size_t length_field = 2;
      names += size_of_name(raw) + length_field;
      const std::chrono::seconds until(gnutls_x509_crt_get_expiration_time(raw));
      made.fingerprints_.push_back(fingerprint_of(raw));
      made.described_.push_back(subject_of(raw) + "; valid until " +
                                date_text(std::chrono::sys_seconds(until)) + "; SHA-256 " +
                                made.fingerprints_.back());
    }
  }
  if (names > longest_names)
    return fail(ErrorKind::file, std::string(flag) + ": the names of all authorities in " + made.source_ +
                                     " take " + std::to_string(names) + " bytes, and a handshake can list " +
                                     std::to_string(longest_names) +
                                     "; leave out those that issue no client certificates");
  return made;
}

Result<std::shared_ptr<const ClientCertificate>> ClientAuthorities::verify(gnutls_session_t session) const {
  unsigned count = 0;
  const gnutls_datum_t* const first = gnutls_certificate_get_peers(session, &count);
  if (count == 0) {
    if (!required_) return nullptr;
    return fail(ErrorKind::tls, std::string(no_client_certificate), GNUTLS_A_CERTIFICATE_REQUIRED);
  }
  const std::span chain(first, count);
  std::size_t size = 0;
  for (const gnutls_datum_t& each : chain) size += each.size;
  if (size > largest_chain)
    return fail(ErrorKind::tls,
                "the client certificate has a chain of more than " + std::to_string(largest_chain) + " bytes",
                GNUTLS_A_BAD_CERTIFICATE);
  const X509Certificate leaf = parse_der({chain[0].data, chain[0].size});
  if (leaf == nullptr)
    return fail(ErrorKind::tls, "the client certificate is malformed", GNUTLS_A_BAD_CERTIFICATE);
  auto verified = std::make_shared<ClientCertificate>();
  verified->subject = subject_of(leaf.get());
  const std::string subject = "the client certificate '" + verified->subject + "'";
  Demands demands(GNUTLS_KP_TLS_WWW_CLIENT);
  unsigned status = 0;
  const int code = gnutls_certificate_verify_peers(session, demands.data(), demands.size(), &status);
  if (auto judged = judge(code, status, leaf.get(),
                          {.subject = subject,
                           .host = {},
                           .source = source_,
                           .remedy = "--client-ca FILE trusts the issuers in FILE",
                           .kind = "a client certificate"});
      !judged)
    return std::unexpected(std::move(judged.error()));
  verified->fingerprint = fingerprint_of(leaf.get());
  for (const gnutls_datum_t& each : chain) verified->chain.push_back(base64(each));
  return verified;
}

}  // namespace sallyport::tls
