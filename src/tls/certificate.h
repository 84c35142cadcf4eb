// Certificates as files and texts: reading a server's key pair, making a self-signed one, and its
// fingerprint. Used where a server starts and by `sallyport cert`.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tls {

/// A certificate chain (the server's own first) and its key, both PEM.
struct KeyPair {
  std::string certificate_pem;
  std::string key_pem;
};

/// Reads both files; the error names the file and the fault (missing, unreadable, not PEM, key does not
/// match).
Result<KeyPair> load_key_pair(const std::string& certificate_file, const std::string& key_file);

/// A fresh P-256 certificate for `names` (DNS names, `*.` in front allowed, or addresses), valid from an hour
/// ago for `days` in all (1 to 3,650). Chromium trusts one by its hash for WebTransport only up to 14 days.
Result<KeyPair> make_self_signed(const std::vector<std::string>& names, unsigned days = 13);

/// base64(SHA-256(SubjectPublicKeyInfo)) of the first certificate: what Chromium's
/// --ignore-certificate-errors-spki-list wants.
Result<std::string> spki_fingerprint(std::string_view certificate_pem);

/// The names of the first certificate, DNS names first, then addresses.
Result<std::vector<std::string>> certificate_names(std::string_view certificate_pem);

}  // namespace sallyport::tls
