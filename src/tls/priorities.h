// Priorities: the supported TLS versions, key exchange groups, cipher suites and signature algorithms, in
// order of preference. For this layer's own files.
#pragma once

#include "tls/session.h"

#include <gnutls/gnutls.h>

namespace sallyport::tls {

/// Parsed once; never null. Valid for the life of the process.
gnutls_priority_t priorities(Carrier carrier);

/// Whether this signature algorithm is used and accepted.
bool is_signature_wanted(gnutls_sign_algorithm_t algorithm);

/// Whether this machine has AES in hardware, so AES-GCM is preferred to ChaCha20.
bool has_fast_aes();

}  // namespace sallyport::tls
