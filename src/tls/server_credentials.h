// ServerCredentials::Impl: the key pairs for GnuTLS, and the selection by SNI. For this layer's own files.
#pragma once

#include "tls/credentials.h"
#include "tls/gnutls_handles.h"
#include "tls/names.h"
#include "tls/served_certificate.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::tls {

/// SHA-256 of the public key.
using KeyId = std::array<std::uint8_t, 32>;

/// A chain and its key, parsed once and shared by all handshakes.
class ParsedPair {
 public:
  static Result<std::unique_ptr<ParsedPair>> parse(const KeyPair& pair);
  ~ParsedPair();
  ParsedPair(const ParsedPair&) = delete;
  ParsedPair& operator=(const ParsedPair&) = delete;

  /// See ServerCredentials::describe().
  std::string describe() const;

  std::vector<gnutls_pcert_st> chain;
  PrivateKey key;
  KeyId key_id{};
  gnutls_pk_algorithm_t algorithm = GNUTLS_PK_UNKNOWN;
  std::shared_ptr<const ServedCertificate> served;

 private:
  ParsedPair() = default;
};

struct ServerCredentials::Impl {
  /// The pair to use for `session`, whose ClientHello was read.
  ParsedPair& choose(gnutls_session_t session) const;

  CredentialsHandle handle;
  std::vector<std::unique_ptr<ParsedPair>> pairs;
  NameIndex index;
  std::array<std::uint8_t, 32> digest{};  // of the pairs in their order
};

}  // namespace sallyport::tls
