#include "base/file.h"
#include "tls/certificate_fault.h"
#include "tls/credentials.h"
#include "tls/gnutls_handles.h"
#include "tls/parsed_pair.h"
#include "tls/session.h"

namespace sallyport::tls {
namespace {

constexpr std::string_view remedy = "--ca FILE trusts the issuers in FILE";

Examined examined(const Trust& trust, const std::string& host) {
  return {.subject = "the certificate of " + host,
          .host = host,
          .source = trust.source(),
          .remedy = remedy,
          .kind = "a server certificate"};
}

/// gnutls_certificate_retrieve_function3: what the session's client offers to a server that asks.
int retrieve(gnutls_session_t session, const gnutls_cert_retr_st*, gnutls_pcert_st** chain,
             unsigned* chain_length, gnutls_ocsp_data_st** ocsp, unsigned* ocsp_length, gnutls_privkey_t* key,
             unsigned* flags) {
  *chain = nullptr;
  *chain_length = *ocsp_length = *flags = 0;
  *ocsp = nullptr;
  *key = nullptr;
  const OfferedCertificate* const offered = Session::of(session).offered_certificate();
  if (offered == nullptr) return 0;
  ParsedPair& pair = offered->pair();
  *chain = pair.chain.data();
  *chain_length = static_cast<unsigned>(pair.chain.size());
  *key = pair.key.get();
  return 0;
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
  gnutls_certificate_set_retrieve_function3(handle, retrieve);
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

Result<> verify_peer(gnutls_session_int* session, const Trust& trust, const std::string& host) {
  if (trust.insecure()) return {};
  unsigned count = 0;
  const gnutls_datum_t* chain = gnutls_certificate_get_peers(session, &count);
  const X509Certificate leaf = count == 0 ? nullptr : parse_der({chain[0].data, chain[0].size});
  if (leaf == nullptr) return fail(ErrorKind::tls, host + " sent no certificate", GNUTLS_A_BAD_CERTIFICATE);
  Demands demands(GNUTLS_KP_TLS_WWW_SERVER, host);
  unsigned status = 0;
  const int code = gnutls_certificate_verify_peers(session, demands.data(), demands.size(), &status);
  return judge(code, status, leaf.get(), examined(trust, host));
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
  Demands demands(GNUTLS_KP_TLS_WWW_SERVER, host);
  unsigned status = 0;
  const int code =
      gnutls_x509_trust_list_verify_crt2(anchors, list.data(), static_cast<unsigned>(list.size()),
                                         demands.data(), demands.size(), 0, &status, nullptr);
  return judge(code, status, list.front(), examined(trust, host));
}

}  // namespace sallyport::tls
