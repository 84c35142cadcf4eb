// HKDF-Expand-Label (RFC 8446 §7.1) with SHA-256: keys from secrets.
#pragma once

#include "base/bytes.h"

#include <string_view>

namespace sallyport::tls {

/// Fills `out` from `secret`, without a context; `label` without "tls13 ", of at most 20 bytes. False when
/// GnuTLS fails.
bool expand_label(Bytes secret, std::string_view label, MutableBytes out);

}  // namespace sallyport::tls
