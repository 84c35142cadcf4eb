// A client's session ticket as stored by SessionCache: GnuTLS's session data, and the server's certificates,
// which GnuTLS does not provide before a resumed handshake is complete. For this layer's own files.
#pragma once

#include "base/bytes.h"

#include <cstdint>
#include <optional>
#include <vector>

#include <gnutls/gnutls.h>

namespace sallyport::tls {

struct Ticket {
  std::vector<Bytes> chain;  ///< DER, the server's own first
  Bytes data;                ///< for gnutls_session_set_data
  bool early_data = false;   ///< the ticket allows 0-RTT over QUIC
};

/// From a resumable session; empty when GnuTLS has no session data.
std::vector<std::uint8_t> make_ticket(gnutls_session_t session, bool early_data);

/// Views into `ticket`; nullopt when its format is not make_ticket's.
std::optional<Ticket> parse_ticket(Bytes ticket);

/// Whether the body of a NewSessionTicket message (RFC 8446 §4.6.1) allows 0-RTT over QUIC.
bool allows_early_data(Bytes new_session_ticket);

}  // namespace sallyport::tls
