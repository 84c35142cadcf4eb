// Url: the https URLs that client commands take, in the parts that they need, and references to others that a
// redirect gives (RFC 3986). What people and servers write without encoding it is encoded here, as curl and
// browsers do.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::dial {

struct Url {
  std::string host;  ///< as net::parse_host() has it: without brackets, with an IPv6 address's zone
  std::uint16_t port = 443;
  std::string target = "/";  ///< path and query, as sent in :path
  std::string to_string() const;
  /// "host" or "host:port", as sent in :authority: without a zone.
  std::string authority() const;
  /// Key of caches: always "host:port", with the zone.
  std::string origin() const;
  /// Last path segment, decoded, safe as a file name; "index.html" when there is none.
  std::string file_name() const;
};

/// Takes "https://..." and, for convenience, no scheme at all. What may not stand in a path or a query is
/// percent-encoded, a '%' that encodes nothing too; dot segments are removed; the fragment is left out. Error
/// kind usage names the URL and what is wrong.
Result<Url> parse_url(std::string_view text);

/// `text`, a URL as a user or a server wrote it, with "..." in place of a user name and a password: for
/// errors, which end up in logs.
std::string without_credentials(std::string_view text);

/// The URL that `reference`, a Location field, leads to from `base` (RFC 3986 §5.2, RFC 9110 §10.2.2).
Result<Url> resolve_reference(const Url& base, std::string_view reference);

/// `text` with everything percent-encoded that may not stand in a path segment, '/' too.
std::string encoded_segment(std::string_view text);

}  // namespace sallyport::dial
