// Validity: from when until when a server's certificates are good (RFC 5280 §4.1.2.5), and what its operator
// should hear of that in time. Used where a gateway loads them.
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

/// When the first of a chain's certificates, of which there is at least one, ends; the others are no use
/// then.
std::chrono::sys_seconds end_of(std::span<const Validity> chain);

/// What is wrong with a chain's dates, of its certificates the worst: one that expired, one that is not valid
/// yet, or one of whose lifetime less than a third and less than 14 days are left. So neither a certificate
/// of 90 days that is renewed a month ahead is spoken of, nor one of six days from its first day on. As a
/// sentence about "the certificate PLACE"; nullopt when all is well.
std::optional<std::string> concern_about(std::span<const Validity> chain, std::string_view place,
                                         std::chrono::sys_seconds now);

/// "2026-11-29 12:26 UTC"
std::string date_text(std::chrono::sys_seconds time);

}  // namespace sallyport::tls
