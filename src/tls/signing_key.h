// A server's private key whose signatures libcrypto makes: with RSA it takes a quarter of GnuTLS's time
// (2,048 bits: 0.3 ms of 1.5), with P-256 half. All else of TLS is GnuTLS's, which calls it by its external
// keys.
#pragma once

#include "tls/gnutls_handles.h"

#include <string_view>

namespace sallyport::tls {

/// The key in `pem`, which GnuTLS has parsed as `parsed`, for any thread. Null where libcrypto cannot take
/// it, or gains nothing: `parsed` is to be used then.
PrivateKey make_signing_key(gnutls_privkey_t parsed, std::string_view pem);

}  // namespace sallyport::tls
