// ServerCredentials::Impl: the key pairs for GnuTLS, the selection by SNI, and what clients are asked for.
// For this layer's own files.
#pragma once

#include "tls/client_authorities.h"
#include "tls/credentials.h"
#include "tls/gnutls_handles.h"
#include "tls/names.h"
#include "tls/parsed_pair.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::tls {

struct ServerCredentials::Impl {
  /// The pair to use for `session`, whose ClientHello was read.
  ParsedPair& choose(gnutls_session_t session) const;

  CredentialsHandle handle;
  std::vector<std::unique_ptr<ParsedPair>> pairs;
  NameIndex index;
  std::optional<ClientAuthorities> clients;  // nullopt: no client certificate is asked for
  std::array<std::uint8_t, 32> digest{};     // of the pairs in their order, and of `clients`
};

}  // namespace sallyport::tls
