// ParsedPair: a certificate chain and its key as GnuTLS takes them: a server's, or one that a client offers.
// For this layer's own files.
#pragma once

#include "base/result.h"
#include "tls/certificate.h"
#include "tls/gnutls_handles.h"
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

}  // namespace sallyport::tls
