// Normalizes host names from users and Location fields to the form in which they are resolved, compared and
// sent. For URLs and for proxies named by the user.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::net {

/// The host of a URL (RFC 3986 §3.2.2), an IPv6 address with its brackets, brought into normal form:
/// percent-encoding decoded; names in other scripts as A-labels (IDNA2008 with the mapping of UTS #46), all
/// in lower case; an IPv4 address in any form of inet_aton(3) as its four numbers; an IPv6 address without
/// brackets as RFC 5952 has it, its zone behind '%'. A trailing dot stays: it prevents search domains in the
/// lookup. An error of kind usage continues a sentence ("the host ...").
Result<std::string> parse_host(std::string_view text);

struct HostAndPort {
  std::string host;                   ///< as parse_host() has it
  std::optional<std::uint16_t> port;  ///< nullopt: none is named
};

/// An authority (RFC 3986 §3.2) without user information. Its port may be empty, which is none. An error of
/// kind usage is part of a sentence, as parse_host() has it.
Result<HostAndPort> parse_host_and_port(std::string_view authority);

/// `host` without an IPv6 address's zone, which means nothing to another machine (RFC 6874 §4).
std::string_view without_zone(std::string_view host);

/// `host` as in a certificate and in SNI: without zone and trailing dot (RFC 6066 §3).
std::string_view certificate_name(std::string_view host);

}  // namespace sallyport::net
