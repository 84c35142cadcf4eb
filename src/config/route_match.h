// Which requests a route takes, besides their host. Part of the Configuration.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::config {

enum class PathMatch : std::uint8_t {
  prefix,  ///< of whole segments: "/a" takes /a and /a/b, and not /ab
  exact,
  regex,  ///< RE2, the whole path
};

/// A header field or a parameter of the query.
struct FieldMatch {
  std::string name;       ///< of a header field: in lower case
  bool is_regex = false;  ///< RE2, the whole value
  std::string value;

  bool operator==(const FieldMatch&) const = default;
};

/// What a request needs besides host and path; all of it. The names of `headers` differ, and those of
/// `query`.
struct Conditions {
  std::string method;  ///< empty: every method
  std::vector<FieldMatch> headers, query;

  bool empty() const { return method.empty() && headers.empty() && query.empty(); }
  bool operator==(const Conditions&) const = default;
};

}  // namespace sallyport::config
