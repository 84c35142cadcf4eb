// RequestPath: a request's path as a safe path below the served folder: decoded once, no dot segments, no
// hidden names. Symbolic links are checked by ServedFolder.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace sallyport::files {

struct RequestPath {
  std::string
      relative;  ///< "a/b c.txt"; empty for the folder itself; no empty segments, no slash at either end
  bool folder = false;  ///< the path ended with a slash
  std::string query;    ///< with its question mark; empty for none
};

enum class PathFault : std::uint8_t {
  malformed,  ///< not a path, a broken percent-encoding, or a NUL: 400
  hidden,     ///< a segment that starts with a dot (".." among them; ".well-known" excepted), or an encoded
              ///< slash: 404
};

/// `path` as in http::Request, with its query.
std::expected<RequestPath, PathFault> parse_request_path(std::string_view path);

/// Whether a file or folder of this name is served and listed.
bool is_hidden_name(std::string_view name);

/// `relative`, percent-encoded except for unreserved characters (RFC 3986 §2.3) and slashes.
std::string encode_path(std::string_view relative);

}  // namespace sallyport::files
