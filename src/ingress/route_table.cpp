#include "ingress/route_table.h"

#include <algorithm>
#include <array>

namespace sallyport::ingress {
namespace {

constexpr std::size_t longest_host = 255;  // RFC 1035 §2.3.4

std::size_t depth_of(std::string_view path) {
  return static_cast<std::size_t>(std::ranges::count(path, '/'));
}

/// Of an authority: without its port and a trailing dot. What is too long for a name is none.
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const std::size_t end = authority.find(']');
    authority = authority.substr(1, end == std::string_view::npos ? end : end - 1);
  } else {
    authority = authority.substr(0, authority.find(':'));
    if (authority.ends_with('.')) authority.remove_suffix(1);
  }
  return authority.size() <= longest_host ? authority : std::string_view();
}

}  // namespace

RouteTable::RouteTable(const std::vector<config::Route>& routes) {
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const config::Route& route = routes[i];
    const bool is_wildcard = route.host.starts_with("*.");
    Paths& paths = is_wildcard ? wildcard_[route.host.substr(2)] : exact_[route.host];
    const std::string prefix = route.path == "/" ? std::string() : route.path;
    paths.by_prefix.emplace(prefix, i);
    paths.deepest = std::max(paths.deepest, depth_of(prefix));
  }
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

std::optional<std::size_t> RouteTable::find(std::string_view authority, std::string_view path) const {
  std::array<char, longest_host> lowered;
  const std::string_view host = host_of(authority);
  std::ranges::transform(host, lowered.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c; });
  const Paths* const paths = paths_of({lowered.data(), host.size()});
  if (paths == nullptr) return std::nullopt;
  // The part that routes can differ in: as many segments as the deepest one has.
  path = path.substr(0, path.find('?'));
  std::size_t end = 0;
  for (std::size_t depth = 0; depth < paths->deepest && end < path.size(); ++depth)
    end = std::min(path.find('/', end + 1), path.size());
  path = path.substr(0, end);
  for (;;) {
    if (const auto found = paths->by_prefix.find(path); found != paths->by_prefix.end()) return found->second;
    if (path.empty()) return std::nullopt;
    const std::size_t slash = path.rfind('/');
    path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
  }
}

}  // namespace sallyport::ingress
