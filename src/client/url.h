// Url: the https URLs that client commands take, in the parts that they need.
#pragma once

#include "base/result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::client {

struct Url {
  std::string host;  ///< without brackets
  std::uint16_t port = 443;
  std::string target = "/";  ///< path and query, as sent in :path
  std::string to_string() const;
  /// "host" or "host:port", as sent in :authority.
  std::string authority() const;
  /// Key of caches: always "host:port".
  std::string origin() const;
  /// Last path segment, decoded, safe as a file name; "index.html" when there is none.
  std::string file_name() const;
};

/// Takes "https://..." and, for convenience, no scheme at all. Error kind usage names the URL and what is
/// wrong.
Result<Url> parse_url(std::string_view text);

}  // namespace sallyport::client
