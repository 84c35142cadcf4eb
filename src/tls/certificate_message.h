// The Certificate message of a TLS handshake (RFC 8446 §4.4.2, RFC 5246 §7.4.2), looked at before GnuTLS uses
// what it brings. For Session.
#pragma once

#include "base/bytes.h"

#include <optional>
#include <string>

namespace sallyport::tls {

/// Why the key of the first certificate must not be used: a signature by an RSA key that is large beyond all
/// use costs so much to verify that it holds up everything else, and GnuTLS verifies it before it asks
/// whether the certificate is trusted (docs/threat-model.md, "costly key"). nullopt: it may be, or there is
/// none, or the message is malformed, which GnuTLS finds. `message`: without its header.
std::optional<std::string> concern_about_key(Bytes message, bool is_tls13);

}  // namespace sallyport::tls
