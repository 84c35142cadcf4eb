// A client's ticket as SessionCache keeps it: what GnuTLS needs to resume, and the certificates that the
// server showed, which GnuTLS does not give out again before the handshake is over. For this layer's own
// files.
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
  bool early_data = false;   ///< the server takes 0-RTT over QUIC with it
};

/// From a session that can be resumed; empty when GnuTLS has nothing to resume it by.
std::vector<std::uint8_t> make_ticket(gnutls_session_t session, bool early_data);

/// Views into `ticket`; nullopt when it is not what make_ticket made.
std::optional<Ticket> parse_ticket(Bytes ticket);

/// Whether the body of a NewSessionTicket message (RFC 8446 §4.6.1) allows 0-RTT over QUIC.
bool allows_early_data(Bytes new_session_ticket);

}  // namespace sallyport::tls
