#include "ingress/route_table.h"

#include "http/request_path.h"
#include "http/validation.h"

#include <algorithm>
#include <array>
#include <map>
#include <tuple>
#include <utility>

namespace sallyport::ingress {
namespace {

constexpr std::size_t longest_host = 255;  // RFC 1035 §2.3.4

std::size_t depth_of(std::string_view path) {
  return static_cast<std::size_t>(std::ranges::count(path, '/'));
}

/// Without brackets and a trailing dot. What is too long for a name is none.
std::string_view name_of(std::string_view authority) {
  std::string_view host = http::without_brackets(http::host_of(authority));
  if (host.ends_with('.')) host.remove_suffix(1);
  return host.size() <= longest_host ? host : std::string_view();
}

}  // namespace

RouteTable::RouteTable(const std::vector<config::Route>& routes) {
  ByText<std::vector<std::size_t>> exact, wildcard;
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const std::string& host = routes[i].host;
    (host.starts_with("*.") ? wildcard[host.substr(2)] : exact[host]).push_back(i);
  }
  for (const auto& [host, of_host] : exact) exact_.emplace(host, make_paths(routes, of_host));
  for (const auto& [host, of_host] : wildcard) wildcard_.emplace(host, make_paths(routes, of_host));
}

RouteTable::Paths RouteTable::make_paths(const std::vector<config::Route>& routes,
                                         const std::vector<std::size_t>& of_host) {
  std::vector<std::size_t> sorted = of_host;
  std::ranges::stable_sort(sorted, std::greater(), [&routes](std::size_t route) {
    const config::Conditions& all = routes[route].conditions;
    return std::tuple(!all.method.empty(), all.headers.size(), all.query.size());
  });
  Paths paths;
  std::map<std::pair<std::size_t, std::string>, Candidates, std::greater<>> by_regex;  // by length first
  for (const std::size_t i : sorted) {
    const config::Route& route = routes[i];
    std::string buffer;
    if (route.path_match == config::PathMatch::regex) {
      by_regex[{route.path.size(), route.path}].push_back({i, RequestMatcher(route.conditions)});
      continue;
    }
    const bool is_exact = route.path_match == config::PathMatch::exact;
    const bool takes_all = !is_exact && route.path == "/";
    const std::string path(takes_all ? std::string_view() : http::normalized_path(route.path, buffer));
    (is_exact ? paths.exact : paths.by_prefix)[path].push_back({i, RequestMatcher(route.conditions)});
    if (!is_exact) paths.deepest = std::max(paths.deepest, depth_of(path));
  }
  std::vector<std::string> patterns;
  for (auto& [pattern, candidates] : by_regex) {
    if (!Regex::make(pattern.second)) continue;
    patterns.push_back(pattern.second);
    paths.by_regex.push_back(std::move(candidates));
  }
  paths.regexes = RegexSet(patterns);
  return paths;
}

const RouteTable::Paths* RouteTable::paths_of(std::string_view host) const {
  if (const auto found = exact_.find(host); found != exact_.end()) return &found->second;
  for (std::size_t dot = host.find('.'); !wildcard_.empty() && dot != std::string_view::npos;
       dot = host.find('.')) {
    host.remove_prefix(dot + 1);
    if (const auto found = wildcard_.find(host); found != wildcard_.end()) return &found->second;
  }
  const auto every = exact_.find(std::string_view());
  return every != exact_.end() ? &every->second : nullptr;
}

std::optional<std::size_t> RouteTable::first_of(const Candidates& candidates, const http::Request& request) {
  const auto found = std::ranges::find_if(
      candidates, [&request](const Candidate& each) { return each.matcher.takes(request); });
  return found != candidates.end() ? std::optional(found->route) : std::nullopt;
}

std::optional<std::size_t> RouteTable::by_prefix(const Paths& paths, std::string_view path,
                                                 const http::Request& request) {
  // The part that routes can differ in: as many segments as the deepest one has.
  std::size_t end = 0;
  for (std::size_t depth = 0; depth < paths.deepest && end < path.size(); ++depth)
    end = std::min(path.find('/', end + 1), path.size());
  path = path.substr(0, end);
  for (;;) {
    if (const auto found = paths.by_prefix.find(path); found != paths.by_prefix.end())
      if (const auto route = first_of(found->second, request)) return route;
    if (path.empty()) return std::nullopt;
    const std::size_t slash = path.rfind('/');
    path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
  }
}

std::optional<std::size_t> RouteTable::find(const http::Request& request) const {
  std::array<char, longest_host> lowered;
  const std::string_view host = name_of(request.authority);
  std::ranges::transform(host, lowered.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c; });
  const Paths* const paths = paths_of({lowered.data(), host.size()});
  if (paths == nullptr) return std::nullopt;
  std::string buffer;
  const std::string_view target = request.path;
  const std::string_view path = http::normalized_path(target.substr(0, target.find('?')), buffer);
  if (const auto found = paths->exact.find(path); found != paths->exact.end())
    if (const auto route = first_of(found->second, request)) return route;
  if (!paths->regexes.empty())
    for (const std::size_t index : paths->regexes.matches(path))
      if (const auto route = first_of(paths->by_regex[index], request)) return route;
  return by_prefix(*paths, path, request);
}

}  // namespace sallyport::ingress
