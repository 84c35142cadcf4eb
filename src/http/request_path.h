// The path of a request, as routes are chosen by it (docs/threat-model.md, "path confusion").
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::http {

/// Whether a backend could resolve `path` (without its query) to one that another route is for: it has
/// segments "." or "..", where a slash or a dot may be percent-encoded, a backslash may be a slash, and what
/// is behind a semicolon in a segment may be dropped.
bool is_ambiguous_path(std::string_view path);

/// `path` with percent-encoded unreserved characters decoded, and the digits of other encodings in upper case
/// (RFC 3986 §6.2.2), for comparing. `buffer` holds the result where that differs from `path`.
std::string_view normalized_path(std::string_view path, std::string& buffer);

/// The value of the first parameter `name` in the query of `target`, a request's path: percent-encoding
/// decoded, and '+' as a space, as forms have it (of `name` in the query, too). nullopt: there is none.
std::optional<std::string> query_parameter(std::string_view target, std::string_view name);

}  // namespace sallyport::http
