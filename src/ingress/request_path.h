// The path of a request, as routes are chosen by it (docs/threat-model.md, "path confusion").
#pragma once

#include <string>
#include <string_view>

namespace sallyport::ingress {

/// Whether a backend could resolve `path` (without its query) to one that another route is for: it has
/// segments
/// "." or "..", where a slash or a dot may be percent-encoded, a backslash may be a slash, and what is behind
/// a semicolon in a segment may be dropped.
bool is_ambiguous(std::string_view path);

/// `path` with percent-encoded unreserved characters decoded, and the digits of other encodings in upper case
/// (RFC 3986 §6.2.2), for comparing. `buffer` holds the result where that differs from `path`.
std::string_view normalized(std::string_view path, std::string& buffer);

}  // namespace sallyport::ingress
