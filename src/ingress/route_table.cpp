#include "ingress/route_table.h"

#include "http/validation.h"
#include "ingress/request_path.h"

#include <algorithm>
#include <array>

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
  for (std::size_t i = 0; i < routes.size(); ++i) {
    const config::Route& route = routes[i];
    const bool is_wildcard = route.host.starts_with("*.");
    Paths& paths = is_wildcard ? wildcard_[route.host.substr(2)] : exact_[route.host];
    std::string buffer;
    const std::string prefix(route.path == "/" ? std::string_view() : normalized(route.path, buffer));
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
  const std::string_view host = name_of(authority);
  std::ranges::transform(host, lowered.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 0x20) : c; });
  const Paths* const paths = paths_of({lowered.data(), host.size()});
  if (paths == nullptr) return std::nullopt;
  // The part that routes can differ in: as many segments as the deepest one has.
  std::string buffer;
  path = normalized(path.substr(0, path.find('?')), buffer);
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
