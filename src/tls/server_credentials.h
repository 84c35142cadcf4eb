// ServerCredentials' inside: the key pairs as GnuTLS wants them, and the choice among them by SNI. For this
// layer's own files.
#pragma once

#include "tls/credentials.h"
#include "tls/gnutls_handles.h"
#include "tls/names.h"

#include <memory>
#include <string>
#include <vector>

namespace sallyport::tls {

/// A chain and its key, parsed once and lent to every handshake.
class ParsedPair {
 public:
  static Result<std::unique_ptr<ParsedPair>> parse(const KeyPair& pair);
  ~ParsedPair();
  ParsedPair(const ParsedPair&) = delete;
  ParsedPair& operator=(const ParsedPair&) = delete;

  std::vector<gnutls_pcert_st> chain;
  PrivateKey key;
  gnutls_pk_algorithm_t algorithm = GNUTLS_PK_UNKNOWN;
  std::vector<std::string> names;

 private:
  ParsedPair() = default;
};

struct ServerCredentials::Impl {
  /// The pair to show to the client of `session`, whose ClientHello was read.
  ParsedPair& choose(gnutls_session_t session) const;

  CredentialsHandle handle;
  std::vector<std::unique_ptr<ParsedPair>> pairs;
  NameIndex index;
};

}  // namespace sallyport::tls
