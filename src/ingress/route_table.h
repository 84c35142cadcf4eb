// RouteTable: finds the route of a request: by its host, exact before wildcard, the longer wildcard first;
// then by its path, exact before regular expressions, the longer one first, before prefixes of whole
// segments, the longest first; then by method, header fields and query, where more of them go first (the
// precedence of Kubernetes' Gateway API). Immutable. The most specific host decides: where none of its routes
// takes the request, no other host's does (as with nginx and Envoy).
#pragma once

#include "base/regex.h"
#include "config/route.h"
#include "http/message.h"
#include "ingress/request_matcher.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sallyport::ingress {

class RouteTable {
 public:
  RouteTable() = default;
  /// Of routes that take the same requests the first counts.
  explicit RouteTable(const std::vector<config::Route>& routes);

  /// The number of the route in what the table was made of. Costs one lookup for each label of the host and
  /// each segment of the path, as far as there are such deep routes, one pass over the path for all regular
  /// expressions of the host, and a look at each route of the same host and path.
  std::optional<std::size_t> find(const http::Request& request) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  template <class Value>
  using ByText = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;
  struct Candidate {
    std::size_t route;
    RequestMatcher matcher;
  };
  using Candidates = std::vector<Candidate>;  // of one host and path, the most specific first
  struct Paths {
    ByText<Candidates> exact, by_prefix;  // "" is the prefix of every path
    std::vector<Candidates> by_regex;     // the longest pattern first
    RegexSet regexes;                     // with the same indexes
    std::size_t deepest = 0;              // segments of the longest prefix
  };

  static Paths make_paths(const std::vector<config::Route>& routes, const std::vector<std::size_t>& of_host);
  static std::optional<std::size_t> first_of(const Candidates& candidates, const http::Request& request);
  static std::optional<std::size_t> by_prefix(const Paths& paths, std::string_view path,
                                              const http::Request& request);
  const Paths* paths_of(std::string_view host) const;

  ByText<Paths> exact_, wildcard_;  // every host: exact_[""]; a wildcard without its "*."
};

}  // namespace sallyport::ingress
