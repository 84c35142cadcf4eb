// Priorities: which TLS versions, key exchanges, ciphers and signature algorithms this program speaks, best
// first. For this layer's own files.
#pragma once

#include "tls/session.h"

#include <gnutls/gnutls.h>

namespace sallyport::tls {

/// Parsed once; never null. Valid for the life of the process.
gnutls_priority_t priorities(Carrier carrier);

/// Whether this program signs with this algorithm, and takes signatures made with it.
bool is_signature_wanted(gnutls_sign_algorithm_t algorithm);

/// Whether this machine does AES in hardware, and so AES-GCM before ChaCha20.
bool has_fast_aes();

}  // namespace sallyport::tls
