#include "config/route_flag.h"

#include "config/backend_url.h"
#include "config/number.h"
#include "config/route_options.h"
#include "dial/url.h"
#include "http/request_path.h"
#include "http/validation.h"
#include "net/host_name.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace sallyport::config {
namespace {

/// Says which flag it was without its URLs, which may have passwords.
std::unexpected<Error> wrong(std::string_view route, std::string_view what) {
  return fail(ErrorKind::usage, fmt::format("--route {}: {}", route.substr(0, route.find('=')), what));
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

/// A prefix without the slashes at its end.
Result<> check_path(Route& route, std::string_view whole) {
  std::string& path = route.path;
  if (std::ranges::any_of(path, [](char c) { return c <= ' ' || c > '~'; }))
    return wrong(whole, "a route's path is as requests have it: other characters are percent-encoded");
  if (route.path_match == PathMatch::regex) return {};
  if (path.find_first_of("?#") != std::string_view::npos)
    return wrong(whole, "a route's path has no query and no fragment; ;query=NAME=VALUE is for the query");
  if (http::is_ambiguous_path(path)) return wrong(whole, "a route's path has no segments . and ..");
  if (route.path_match == PathMatch::prefix)
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return {};
}

/// Behind "redirect:".
Result<> read_redirect(std::string_view text, Route& route, std::string_view whole) {
  Redirect& redirect = route.redirect.emplace();
  for (const std::string_view scheme : {"http", "https"}) {
    const std::string begin = fmt::format("{}://", scheme);
    if (!http::equal_ignoring_case(text.substr(0, begin.size()), begin)) continue;
    redirect.scheme = scheme;
    text.remove_prefix(begin.size());
    const std::size_t slash = std::min(text.find('/'), text.size());
    auto target = net::parse_host_and_port(text.substr(0, slash));
    if (!target) return wrong(whole, fmt::format("redirect: {}", target.error().message));
    redirect.host = std::move(target->host);
    redirect.port = target->port;
    text.remove_prefix(slash);
    break;
  }
  if (redirect.scheme.empty() && !text.starts_with('/'))
    return wrong(whole,
                 "redirect: is followed by a URL or a path, as in redirect:https://www.example.org or "
                 "redirect:/new");
  if (text.empty()) return {};
  if (auto done = read_route_option(fmt::format("prefix={}", text), route); !done)
    return wrong(whole, fmt::format("redirect: {}", done.error().message));
  return {};
}

Result<> read_backends(std::string_view text, Route& route, std::string_view whole) {
  std::uint64_t weights = 0;
  for (;;) {
    const std::size_t comma = std::min(text.find(','), text.size());
    auto backend = parse_backend(text.substr(0, comma));
    if (!backend)
      return wrong(whole, fmt::format("the backend {}: {}", dial::without_credentials(text.substr(0, comma)),
                                      backend.error().message));
    weights += backend->weight;
    route.backends.push_back(*std::move(backend));
    if (comma == text.size()) break;
    text.remove_prefix(comma + 1);
  }
  if (weights == 0) return wrong(whole, "all of its backends have the weight 0");
  return {};
}

Result<> read_targets(std::string_view text, Route& route, std::string_view whole) {
  constexpr std::string_view redirect = "redirect:", respond = "respond:";
  if (text.starts_with(redirect)) return read_redirect(text.substr(redirect.size()), route, whole);
  if (!text.starts_with(respond)) return read_backends(text, route, whole);
  const auto status = number<unsigned>(text.substr(respond.size()), 200, 599);
  if (!status) return wrong(whole, "respond: is followed by a status from 200 to 599, as in respond:404");
  route.response = {.status = *status, .body = {}};
  return {};
}

/// What stands in front of the next ';', which is removed with it. Of two behind each other one is kept.
std::string take_part(std::string_view& text) {
  std::string part;
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c != ';') {
      part += c;
      continue;
    }
    if (!text.starts_with(';')) return part;
    part += c;
    text.remove_prefix(1);
  }
  return part;
}

}  // namespace

Result<Route> parse_route(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    return wrong(text, "it is HOST[/PATH]=URL, as in example.org=http://127.0.0.1:8080");
  const std::string_view match = text.substr(0, equals);
  const std::size_t slash = std::min(match.find('/'), match.size());
  auto host = read_host(match.substr(0, slash), text);
  if (!host) return std::unexpected(std::move(host.error()));
  Route route;
  route.host = std::move(*host);
  if (slash < match.size()) route.path = match.substr(slash);
  std::string_view rest = text.substr(equals + 1);
  if (auto done = read_targets(take_part(rest), route, text); !done) return std::unexpected(done.error());
  std::set<std::string> given;
  while (!rest.empty()) {
    const std::string option = take_part(rest);
    if (auto done = read_route_option(option, route); !done) return wrong(text, done.error().message);
    const std::string name = option.substr(0, option.find('='));
    if (!given.insert(name).second && !may_be_repeated(name))
      return wrong(text, fmt::format("the option {} is given twice", name));
  }
  for (const auto& [one, other] : {std::pair("exact", "regex"), std::pair("prefix", "path")})
    if (given.contains(one) && given.contains(other))
      return wrong(text, fmt::format("the options {} and {} contradict each other", one, other));
  if (auto done = check_path(route, text); !done) return std::unexpected(std::move(done.error()));
  for (PathRewrite* rewrite : {&route.filters.path, route.redirect ? &route.redirect->path : nullptr})
    if (rewrite != nullptr && rewrite->kind == PathRewrite::Kind::prefix &&
        route.path_match != PathMatch::prefix) {
      if (!route.redirect)
        return wrong(text,
                     "the option prefix is for routes whose path is a prefix; path=/PATH sets all of it");
      rewrite->kind = PathRewrite::Kind::whole;
    }
  return route;
}

}  // namespace sallyport::config
