#include "base/file.h"
#include "tls/credentials.h"
#include "tls/gnutls_handles.h"
#include "tls/names.h"
#include "tls/validity.h"

#include <algorithm>
#include <array>
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

X509Certificate parse_der(Bytes der) {
  const gnutls_datum_t data = datum_of(der);
  gnutls_x509_crt_t raw = nullptr;
  if (gnutls_x509_crt_init(&raw) < 0) return nullptr;
  X509Certificate certificate(raw);
  if (gnutls_x509_crt_import(raw, &data, GNUTLS_X509_FMT_DER) < 0) return nullptr;
  return certificate;
}

/// GnuTLS's checks besides the chain and the dates.
class Demands {
 public:
  explicit Demands(const std::string& host) : name_(host) {
    if (name_.starts_with('[') && name_.ends_with(']')) name_ = name_.substr(1, name_.size() - 2);
    list_[0].type = GNUTLS_DT_DNS_HOSTNAME;  // GnuTLS takes an address here as well
    list_[0].data = reinterpret_cast<unsigned char*>(name_.data());
    list_[1].type = GNUTLS_DT_KEY_PURPOSE_OID;
    list_[1].data = reinterpret_cast<unsigned char*>(purpose_.data());
  }
  Demands(const Demands&) = delete;
  Demands& operator=(const Demands&) = delete;
  gnutls_typed_vdata_st* data() { return list_.data(); }
  unsigned size() const { return static_cast<unsigned>(list_.size()); }

 private:
  std::string name_;
  std::string purpose_ = GNUTLS_KP_TLS_WWW_SERVER;
  std::array<gnutls_typed_vdata_st, 2> list_{};
};

/// The whole sentence for a certificate that was not accepted. Of several faults, the first one to fix is
/// named.
std::string explain(unsigned status, gnutls_x509_crt_int* leaf, const Trust& trust, const std::string& host) {
  const std::string subject = "the certificate of " + host;
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
    return subject + " is signed by another " + issuer_of(leaf) + " than the one in " + trust.source();
  }
  if ((status & GNUTLS_CERT_SIGNER_NOT_FOUND) != 0) {
    return subject + " is signed by " + issuer_of(leaf) + ", and by no trusted issuer in " + trust.source() +
           " (--ca FILE trusts the issuers in FILE)";
  }
  if ((status & (GNUTLS_CERT_PURPOSE_MISMATCH | GNUTLS_CERT_SIGNER_NOT_CA)) != 0)
    return subject + " is not a server certificate (key usage)";
  if ((status & GNUTLS_CERT_UNEXPECTED_OWNER) != 0) {
    return subject + " is for " + quote_names(names_of(leaf)) + ", not for '" + host + "'";
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

struct Trust::Impl {
  CredentialsHandle handle;
  bool insecure = false;
  std::string source;
};

Trust::Trust(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Trust::~Trust() = default;
gnutls_certificate_credentials_st* Trust::native() const {
  return impl_->handle.get();
}
bool Trust::insecure() const {
  return impl_->insecure;
}
const std::string& Trust::source() const {
  return impl_->source;
}

Result<std::shared_ptr<const Trust>> Trust::make(const TrustOptions& options) {
  constexpr std::size_t largest_store = 16 * 1024 * 1024;
  auto impl = std::make_unique<Impl>();
  impl->insecure = options.insecure;
  for (const std::string& file : options.ca_files)
    impl->source += (impl->source.empty() ? "" : " and ") + file;
  if (options.ca_files.empty()) impl->source = "the system's store";
  gnutls_certificate_credentials_t handle = nullptr;
  if (const int code = gnutls_certificate_allocate_credentials(&handle); code < 0) {
    return fail(ErrorKind::resource, error_words(code));
  }
  impl->handle.reset(handle);
  for (const std::string& file : options.ca_files) {
    const auto pem = read_file(file, largest_store);
    if (!pem) return std::unexpected(pem.error());
    const gnutls_datum_t data = datum_of(*pem);
    if (gnutls_certificate_set_x509_trust_mem(handle, &data, GNUTLS_X509_FMT_PEM) <= 0)
      return fail(ErrorKind::file, file + " holds no certificate in PEM form");
  }
  if (options.ca_files.empty() && !options.insecure &&
      gnutls_certificate_set_x509_system_trust(handle) <= 0) {
    return fail(ErrorKind::file,
                "the system has no store of certificate authorities (install ca-certificates, or give "
                "--ca FILE)");
  }
  return std::shared_ptr<const Trust>(new Trust(std::move(impl)));
}

namespace {

Result<> judge(int code, unsigned status, gnutls_x509_crt_int* leaf, const Trust& trust,
               const std::string& host) {
  if (code < 0)
    return fail(ErrorKind::tls, "the certificate of " + host + " cannot be checked: " + error_words(code),
                GNUTLS_A_BAD_CERTIFICATE);
  // GnuTLS does not look at this date of a certificate that is an anchor itself.
  if (gnutls_x509_crt_get_activation_time(leaf) > std::time(nullptr)) status |= GNUTLS_CERT_NOT_ACTIVATED;
  if (status != 0) return fail(ErrorKind::tls, explain(status, leaf, trust, host), alert_for(status));
  return {};
}

}  // namespace

Result<> verify_peer(gnutls_session_int* session, const Trust& trust, const std::string& host) {
  if (trust.insecure()) return {};
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
  const X509Certificate leaf = count == 0 ? nullptr : parse_der({chain[0].data, chain[0].size});
  if (leaf == nullptr) return fail(ErrorKind::tls, host + " sent no certificate", GNUTLS_A_BAD_CERTIFICATE);
  Demands demands(host);
  unsigned status = 0;
  const int code = gnutls_certificate_verify_peers(session, demands.data(), demands.size(), &status);
  return judge(code, status, leaf.get(), trust, host);
}

Result<> verify_chain(std::span<const Bytes> chain, const Trust& trust, const std::string& host) {
  if (trust.insecure()) return {};
  std::vector<X509Certificate> certificates;
  std::vector<gnutls_x509_crt_t> list;
  for (const Bytes der : chain) {
    certificates.push_back(parse_der(der));
    if (certificates.back() == nullptr)
      return fail(ErrorKind::tls, "a certificate of " + host + " is malformed");
    list.push_back(certificates.back().get());
  }
  if (list.empty()) return fail(ErrorKind::tls, host + " sent no certificate");
  gnutls_x509_trust_list_t anchors = nullptr;
  gnutls_certificate_get_trust_list(trust.native(), &anchors);
  Demands demands(host);
  unsigned status = 0;
  const int code =
      gnutls_x509_trust_list_verify_crt2(anchors, list.data(), static_cast<unsigned>(list.size()),
                                         demands.data(), demands.size(), 0, &status, nullptr);
  return judge(code, status, list.front(), trust, host);
}

}  // namespace sallyport::tls
