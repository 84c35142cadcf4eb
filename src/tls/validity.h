// Validity: the validity periods of a server's certificates (RFC 5280 §4.1.2.5), and warnings for the
// operator. Used where a gateway loads them.
#pragma once

#include "base/result.h"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::tls {

struct Validity {
  std::chrono::sys_seconds not_before, not_after;
};

/// Of each certificate of a chain in PEM, the server's own first; the error is that there is none.
Result<std::vector<Validity>> validity_of(std::string_view chain_pem);

/// When the earliest certificate of a non-empty chain expires, and so the chain.
std::chrono::sys_seconds end_of(std::span<const Validity> chain);

/// The worst fault of a chain's dates: a certificate has expired, is not valid yet, or has less than a third
/// of its lifetime and less than 14 days left. So neither a certificate of 90 days that is renewed a month
/// ahead, nor one of six days on its first day, causes a warning. A sentence about "the certificate PLACE";
/// nullopt without a fault. `by`: who refuses it.
std::optional<std::string> concern_about(std::span<const Validity> chain, std::string_view place,
                                         std::chrono::sys_seconds now, std::string_view by = "clients");

/// "2026-11-29 12:26 UTC"
std::string date_text(std::chrono::sys_seconds time);

}  // namespace sallyport::tls
