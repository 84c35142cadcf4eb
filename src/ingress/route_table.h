// RouteTable: finds the route of a request: by its host, exact before wildcard, the longer wildcard first;
// then by the longest path prefix of whole segments. Immutable. The most specific host decides: where none of
// its paths takes the request, no other host's does (as with nginx and Envoy).
#pragma once

#include "config/route.h"

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
  /// No two with the same host and path.
  explicit RouteTable(const std::vector<config::Route>& routes);

  /// The number of the route in what the table was made of. `authority`: host[:port]; `path`: with its query.
  /// Costs one lookup for each label of the host and each segment of the path, as far as there are such deep
  /// routes, and nothing for each route.
  std::optional<std::size_t> find(std::string_view authority, std::string_view path) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  template <class Value>
  using ByText = std::unordered_map<std::string, Value, Hash, std::equal_to<>>;
  struct Paths {
    ByText<std::size_t> by_prefix;  // "" is every path
    std::size_t deepest = 0;        // segments of the longest one
  };

  const Paths* paths_of(std::string_view host) const;

  ByText<Paths> exact_, wildcard_;  // every host: exact_[""]; a wildcard without its "*."
};

}  // namespace sallyport::ingress
