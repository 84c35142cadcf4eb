#include "tls/server_credentials.h"

#include "tls/priorities.h"
#include "tls/session.h"

#include <array>
#include <cstdint>
#include <utility>

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

/// SHA-256 of what the pairs are and of what clients are asked for, each part behind its length.
Result<std::array<std::uint8_t, 32>> digest_of(std::span<const std::unique_ptr<ParsedPair>> pairs,
                                               const std::optional<ClientAuthorities>& clients) {
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
  if (clients) {
    const std::uint64_t required = clients->required() ? 1 : 0;
    add(&required, sizeof required);
    for (const std::string& fingerprint : clients->fingerprints())
      add(fingerprint.data(), fingerprint.size());
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

ParsedPair& ServerCredentials::Impl::choose(gnutls_session_t session) const {
  const std::span<const std::size_t> named = index.find(sni_of(session));
  for (const std::size_t i : named) {
    if (client_verifies(session, pairs[i]->algorithm)) return *pairs[i];
  }
  // The fallback; GnuTLS ends the handshake where the client cannot verify it.
  return *pairs[named.empty() ? 0 : named.front()];
}

Result<std::shared_ptr<const ServerCredentials>> ServerCredentials::make(const std::vector<KeyPair>& pairs,
                                                                         const ClientVerification& clients) {
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
  if (!clients.authorities.empty()) {
    auto authorities = ClientAuthorities::make(handle, clients);
    if (!authorities) return std::unexpected(std::move(authorities.error()));
    impl->clients = std::move(*authorities);
  }
  const auto digest = digest_of(impl->pairs, impl->clients);
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

bool ServerCredentials::asks_clients() const {
  return impl_->clients.has_value();
}

bool ServerCredentials::requires_client_certificate() const {
  return impl_->clients && impl_->clients->required();
}

std::vector<std::string> ServerCredentials::describe_client_authorities() const {
  return impl_->clients ? impl_->clients->describe() : std::vector<std::string>{};
}

}  // namespace sallyport::tls
