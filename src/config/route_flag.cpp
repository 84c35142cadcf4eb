#include "config/route_flag.h"

#include "dial/url.h"
#include "http/validation.h"
#include "net/host_name.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace sallyport::config {
namespace {

constexpr std::uint32_t largest_weight = 1'000'000;  // as in Kubernetes' Gateway API

struct Scheme {
  std::string_view name;
  BackendProtocol protocol;
  std::uint16_t port;
};
constexpr std::array schemes{
    Scheme{"http", BackendProtocol::http1, 80}, Scheme{"h2c", BackendProtocol::h2c, 80},
    Scheme{"https", BackendProtocol::https, 443}, Scheme{"h3", BackendProtocol::h3, 443}};

const Scheme& scheme_of(BackendProtocol protocol) {
  return *std::ranges::find(schemes, protocol, &Scheme::protocol);
}

/// Says which flag it was without its URLs, which may have passwords.
std::unexpected<Error> wrong(std::string_view route, std::string_view what) {
  return fail(ErrorKind::usage, fmt::format("--route {}: {}", route.substr(0, route.find('=')), what));
}

template <class Number>
std::optional<Number> number(std::string_view text, Number least, Number most) {
  Number value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || value < least || value > most) return std::nullopt;
  return value;
}

/// "example.org", "*.example.org", "*" or nothing. `whole`: the flag's value, as in all of these.
Result<std::string> read_host(std::string_view text, std::string_view whole) {
  if (text.empty() || text == "*") return std::string();
  if (text.find(':') != std::string_view::npos && !text.starts_with('['))
    return wrong(whole, "a route's host has no port: it is for every --listen");
  const bool is_wildcard = text.starts_with("*.");
  const std::string_view name = is_wildcard ? text.substr(2) : text;
  if (name.find('*') != std::string_view::npos)
    return wrong(whole, "a * stands for all of the name in front of a dot, as in *.example.org");
  auto host = net::parse_host(name);
  if (!host) return wrong(whole, host.error().message);
  if (host->ends_with('.')) host->pop_back();
  if (host->empty() || host->ends_with('.') || host->find("..") != std::string::npos)
    return wrong(whole, "the host has an empty label: a dot too many");
  return is_wildcard ? "*." + *host : std::move(*host);
}

Result<std::string> read_path(std::string_view path, std::string_view whole) {
  if (path.find_first_of("?#") != std::string_view::npos)
    return wrong(whole, "a route's path has no query and no fragment");
  if (std::ranges::any_of(path, [](char c) { return c <= ' ' || c > '~'; }))
    return wrong(whole, "a route's path is as requests have it: other characters are percent-encoded");
  if (dial::has_dot_segments(path)) return wrong(whole, "a route's path has no segments . and ..");
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return path.empty() ? "/" : std::string(path);
}

Result<Backend> read_backend(std::string_view text, std::string_view whole) {
  const auto bad = [&](std::string_view what) {
    return wrong(whole, fmt::format("the backend {}: {}", dial::without_credentials(text), what));
  };
  Backend backend;
  const std::size_t hash = std::min(text.find('#'), text.size());
  if (hash < text.size()) {
    const auto weight = number<std::uint32_t>(text.substr(hash + 1), 0, largest_weight);
    if (!weight) return bad(fmt::format("its weight, behind the #, is 0 to {}", largest_weight));
    backend.weight = *weight;
  }
  std::string_view url = text.substr(0, hash);
  const std::size_t colon = url.find("://");
  const auto scheme = std::ranges::find_if(schemes, [&](const Scheme& each) {
    return colon != std::string_view::npos && http::equal_ignoring_case(each.name, url.substr(0, colon));
  });
  if (scheme == schemes.end())
    return bad("it begins with http://, https://, h2c:// or h3://, as http://127.0.0.1:8080 does");
  backend.protocol = scheme->protocol;
  backend.port = scheme->port;
  url.remove_prefix(colon + 3);
  const std::size_t slash = std::min(url.find_first_of("/?"), url.size());
  if (slash + 1 < url.size() || url.substr(slash).starts_with('?'))
    return bad("it has no path: requests keep their own");
  std::string_view authority = url.substr(0, slash);
  if (authority.find('@') != std::string_view::npos) return bad("it has no user name");
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return bad("the closing bracket of the IPv6 address is missing");
  if (const std::size_t port_at = authority.find(':', bracket); port_at != std::string_view::npos) {
    const auto port = number<std::uint16_t>(authority.substr(port_at + 1), 1, 65535);
    if (!port) return bad("the port must be 1 to 65535");
    backend.port = *port;
    authority = authority.substr(0, port_at);
  }
  auto host = net::parse_host(authority);
  if (!host) return bad(host.error().message);
  backend.host = std::move(*host);
  return backend;
}

}  // namespace

std::string_view to_string(BackendProtocol protocol) {
  return scheme_of(protocol).name;
}

std::string Backend::to_string() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", config::to_string(protocol), is_v6 ? "[" : "", host, is_v6 ? "]" : "",
                     port);
}

std::string Route::name() const {
  return (host.empty() ? "*" : host) + path;
}

Result<Route> parse_route(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return wrong(text, "it is HOST[/PATH]=URL, as in example.org=http://127.0.0.1:8080");
  const std::string_view match = text.substr(0, equals);
  const std::size_t slash = std::min(match.find('/'), match.size());
  auto host = read_host(match.substr(0, slash), text);
  if (!host) return std::unexpected(std::move(host.error()));
  auto path = read_path(match.substr(slash), text);
  if (!path) return std::unexpected(std::move(path.error()));
  Route route{.host = std::move(*host), .path = std::move(*path), .backends = {}};
  std::uint64_t weights = 0;
  for (std::string_view rest = text.substr(equals + 1);;) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    auto backend = read_backend(rest.substr(0, comma), text);
    if (!backend) return std::unexpected(std::move(backend.error()));
    weights += backend->weight;
    route.backends.push_back(std::move(*backend));
    if (comma == rest.size()) break;
    rest.remove_prefix(comma + 1);
  }
  if (weights == 0) return wrong(text, "all of its backends have the weight 0");
  return route;
}

}  // namespace sallyport::config
