// A client's ticket as SessionCache keeps it: what GnuTLS needs to resume, and the certificates that the server showed, which GnuTLS
// does not give out again before the handshake is over. For this layer's own files.
#pragma once

#include <gnutls/gnutls.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace sallyport::tls {

struct Ticket {
  std::vector<Bytes> chain;  ///< DER, the server's own first
  Bytes data;                ///< for gnutls_session_set_data
};

/// From a session that can be resumed; empty when GnuTLS has nothing to resume it by.
std::vector<std::uint8_t> make_ticket(gnutls_session_t session);

/// Views into `ticket`; nullopt when it is not what make_ticket made.
std::optional<Ticket> parse_ticket(Bytes ticket);

}  // namespace sallyport::tls
