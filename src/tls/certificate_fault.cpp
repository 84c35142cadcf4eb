#include "tls/certificate_fault.h"

#include "tls/names.h"
#include "tls/validity.h"

#include <chrono>
#include <ctime>

namespace sallyport::tls {
namespace {

std::string date_of(std::time_t time) {
  return date_text(std::chrono::sys_seconds(std::chrono::seconds(time)));
}

std::string issuer_of(gnutls_x509_crt_int* certificate) {
  Datum issuer;
  if (gnutls_x509_crt_get_issuer_dn3(certificate, &issuer.value, 0) < 0) return "an unnamed issuer";
  return "'" + std::string(issuer.text()) + "'";
}

/// The whole sentence for a certificate that was not accepted. Of several faults, the first one to fix is
/// named.
std::string explain(unsigned status, gnutls_x509_crt_int* leaf, const Examined& examined) {
  const std::string& subject = examined.subject;
  if ((status & GNUTLS_CERT_EXPIRED) != 0) {
    const std::time_t expired = gnutls_x509_crt_get_expiration_time(leaf);
    if (expired < std::time(nullptr)) return subject + " expired on " + date_of(expired);
    return "an issuer in the chain of " + subject + " expired";
  }
  if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0) {
    return subject + " is not valid before " + date_of(gnutls_x509_crt_get_activation_time(leaf)) +
           " (is the clock right?)";
  }
  if ((status & GNUTLS_CERT_REVOKED) != 0) return subject + " was revoked";
  if ((status & GNUTLS_CERT_INSECURE_ALGORITHM) != 0)
    return subject + " is signed with an insecure algorithm";
  if ((status & GNUTLS_CERT_SIGNATURE_FAILURE) != 0) {
    return subject + " is signed by another " + issuer_of(leaf) + " than the one in " + examined.source;
  }
  if ((status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0) {
    return subject + " is signed by " + issuer_of(leaf) + ", and by no trusted issuer in " + examined.source +
           " (" + std::string(examined.remedy) + ")";
  }
  if ((status & (GNUTLS_CERT_PURPOSE_MISMATCH | GNUTLS_CERT_SIGNER_NOT_CA)) != 0)
    return subject + " is not " + std::string(examined.kind) + " (key usage)";
  if ((status & GNUTLS_CERT_UNEXPECTED_OWNER) != 0) {
    return subject + " is for " + quote_names(names_of(leaf)) + ", not for '" + examined.host + "'";
  }
  Datum words;
  gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words.value, 0);
  std::string text(words.text());
  while (!text.empty() && (text.back() == '.' || text.back() == ' ')) text.pop_back();
  return subject + " cannot be trusted: " + text;
}

/// The alert that goes with explain()'s sentence (RFC 8446 §6.2).
unsigned alert_for(unsigned status) {
  if ((status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)) != 0) return GNUTLS_A_CERTIFICATE_EXPIRED;
  if ((status & GNUTLS_CERT_REVOKED) != 0) return GNUTLS_A_CERTIFICATE_REVOKED;
  if ((status & (GNUTLS_CERT_INSECURE_ALGORITHM | GNUTLS_CERT_SIGNATURE_FAILURE)) != 0)
    return GNUTLS_A_BAD_CERTIFICATE;
  if ((status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0) return GNUTLS_A_UNKNOWN_CA;
  if ((status & (GNUTLS_CERT_PURPOSE_MISMATCH | GNUTLS_CERT_SIGNER_NOT_CA)) != 0)
    return GNUTLS_A_UNSUPPORTED_CERTIFICATE;
  return GNUTLS_A_CERTIFICATE_UNKNOWN;  // another's name, among others
}

}  // namespace

Demands::Demands(std::string_view purpose) : purpose_(purpose) {
  list_[0].type = GNUTLS_DT_KEY_PURPOSE_OID;
  list_[0].data = reinterpret_cast<unsigned char*>(purpose_.data());
}

Demands::Demands(std::string_view purpose, const std::string& host) : Demands(purpose) {
  name_ = host;
  if (name_.starts_with('[') && name_.ends_with(']')) name_ = name_.substr(1, name_.size() - 2);
  size_ = 2;
  list_[1].type = GNUTLS_DT_DNS_HOSTNAME;  // GnuTLS takes an address here as well
  list_[1].data = reinterpret_cast<unsigned char*>(name_.data());
}

Result<> judge(int code, unsigned status, gnutls_x509_crt_int* leaf, const Examined& examined) {
  if (code < 0)
    return fail(ErrorKind::tls, examined.subject + " cannot be checked: " + error_words(code),
                GNUTLS_A_BAD_CERTIFICATE);
  // GnuTLS does not look at this date of a certificate that is an anchor itself.
  if (gnutls_x509_crt_get_activation_time(leaf) > std::time(nullptr)) status |= GNUTLS_CERT_NOT_ACTIVATED;
  if (status != 0) return fail(ErrorKind::tls, explain(status, leaf, examined), alert_for(status));
  return {};
}

}  // namespace sallyport::tls
