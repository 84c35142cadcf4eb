#include "config/route_options.h"

#include "base/regex.h"
#include "config/number.h"
#include "http/validation.h"
#include "net/host_name.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace sallyport::config {
namespace {

constexpr double longest_wait = 86'400;  // s
constexpr unsigned most_retries = 10;

std::unexpected<Error> wrong(std::string what) {
  return fail(ErrorKind::usage, std::move(what));
}

std::string lowered(std::string_view text) {
  std::string made(text);
  for (char& c : made)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 0x20);
  return made;
}

/// "NAME:VALUE" of a header field.
Result<std::pair<std::string, std::string>> read_field(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return wrong("it is NAME:VALUE, as in x-canary:1");
  std::string name = lowered(text.substr(0, colon));
  std::string_view value = text.substr(colon + 1);
  while (value.starts_with(' ')) value.remove_prefix(1);
  while (value.ends_with(' ')) value.remove_suffix(1);
  if (!http::is_field_name(name)) return wrong("that is not the name of a header field");
  if (!http::is_field_value(value)) return wrong("a header field cannot have that value");
  return std::pair(std::move(name), std::string(value));
}

/// Whether a route may change it: not what frames a message, or speaks of one connection.
Result<> check_changeable(std::string_view name) {
  if (!http::is_field_name(name)) return wrong("that is not the name of a header field");
  if (name == "host") return wrong("host=NAME sets the Host that backends get");
  if (name == "content-length" || name == "expect" || http::is_connection_specific(name))
    return wrong(fmt::format("{} is the gateway's own to set", name));
  return {};
}

using Changes = FieldChanges Filters::*;
using Pairs = std::vector<std::pair<std::string, std::string>> FieldChanges::*;

template <Changes which, Pairs how>
Result<> read_change(std::string_view text, Route& route) {
  auto field = read_field(text);
  if (!field) return std::unexpected(std::move(field.error()));
  if (auto done = check_changeable(field->first); !done) return done;
  (route.filters.*which.*how).push_back(*std::move(field));
  return {};
}

template <Changes which>
Result<> read_removal(std::string_view text, Route& route) {
  std::string name = lowered(text);
  if (auto done = check_changeable(name); !done) return done;
  (route.filters.*which).remove.push_back(std::move(name));
  return {};
}

Result<> add_condition(std::vector<FieldMatch>& to, FieldMatch match) {
  if (std::ranges::find(to, match.name, &FieldMatch::name) != to.end())
    return wrong(fmt::format("there are two for {}", match.name));
  if (match.is_regex)
    if (const auto regex = Regex::make(match.value); !regex) return wrong(regex.error().message);
  to.push_back(std::move(match));
  return {};
}

template <bool is_regex>
Result<> read_header(std::string_view text, Route& route) {
  auto field = read_field(text);
  if (!field) return std::unexpected(std::move(field.error()));
  if (field->first == "host") return wrong("the host stands in front of the path, as in example.org/a=...");
  return add_condition(route.conditions.headers,
                       {std::move(field->first), is_regex, std::move(field->second)});
}

template <bool is_regex>
Result<> read_query(std::string_view text, Route& route) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return wrong("it is NAME=VALUE, as in version=2");
  return add_condition(route.conditions.query,
                       {std::string(text.substr(0, equals)), is_regex, std::string(text.substr(equals + 1))});
}

Result<> read_method(std::string_view text, Route& route) {
  if (!http::is_token(text)) return wrong("that is not a method");
  route.conditions.method = text;
  return {};
}

Result<> read_exact(std::string_view, Route& route) {
  route.path_match = PathMatch::exact;
  return {};
}

Result<> read_regex(std::string_view, Route& route) {
  if (const auto regex = Regex::make(route.path); !regex) return wrong(regex.error().message);
  route.path_match = PathMatch::regex;
  return {};
}

Result<> read_host(std::string_view text, Route& route) {
  auto parsed = net::parse_host_and_port(text);
  if (!parsed) return wrong(parsed.error().message);
  const bool is_v6 = parsed->host.find(':') != std::string::npos;
  route.filters.host = is_v6 ? fmt::format("[{}]", parsed->host) : std::move(parsed->host);
  if (parsed->port) route.filters.host += fmt::format(":{}", *parsed->port);
  return {};
}

template <PathRewrite::Kind kind>
Result<> read_rewrite(std::string_view text, Route& route) {
  if (!text.starts_with('/')) return wrong("it begins with a /");
  if (text.find_first_of("?#") != std::string_view::npos) return wrong("it has no query and no fragment");
  if (std::ranges::any_of(text, [](char c) { return c <= ' ' || c > '~'; }))
    return wrong("other characters are percent-encoded");
  if (kind == PathRewrite::Kind::prefix && text.size() > 1 && text.ends_with('/')) text.remove_suffix(1);
  PathRewrite& rewrite = route.redirect ? route.redirect->path : route.filters.path;
  rewrite = {kind, std::string(text)};
  return {};
}

Result<Duration> read_seconds(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || !(value >= 0) || value > longest_wait)
    return wrong(fmt::format("it is a number of seconds, 0 (for ever) to {:g}", longest_wait));
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value));
}

template <Duration Patience::* which>
Result<> read_timeout(std::string_view text, Route& route) {
  const auto read = read_seconds(text);
  if (!read) return std::unexpected(read.error());
  route.patience.*which = *read;
  return {};
}

Result<> read_retries(std::string_view text, Route& route) {
  const auto read = number<unsigned>(text, 0, most_retries);
  if (!read) return wrong(fmt::format("it is 0 to {}", most_retries));
  route.patience.retries = *read;
  return {};
}

Result<> read_retry_on(std::string_view text, Route& route) {
  auto& all = route.patience.retry_status;
  for (;;) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const auto status = number<unsigned>(text.substr(0, comma), 400, 599);
    if (!status) return wrong("it is a list of statuses from 400 to 599, as in 502,503");
    all.push_back(*status);
    if (comma == text.size()) break;
    text.remove_prefix(comma + 1);
  }
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return {};
}

Result<> read_balance(std::string_view text, Route& route) {
  using Kind = Balancing::Kind;
  constexpr std::string_view by_header = "header:";
  if (text == "least-requests")
    route.balancing = {Kind::least_requests, {}};
  else if (text == "round-robin")
    route.balancing = {Kind::round_robin, {}};
  else if (text == "client")
    route.balancing = {Kind::client_hash, {}};
  else if (std::string name = lowered(text.substr(std::min(by_header.size(), text.size())));
           text.starts_with(by_header) && http::is_field_name(name))
    route.balancing = {Kind::header_hash, std::move(name)};
  else
    return wrong("it is least-requests, round-robin, client, or header:NAME");
  return {};
}

Result<> read_status(std::string_view text, Route& route) {
  constexpr std::array<unsigned, 5> redirections{301, 302, 303, 307, 308};
  const auto status = number<unsigned>(text, 300, 399);
  if (!status || std::ranges::find(redirections, *status) == redirections.end())
    return wrong("the status of a redirect is 301, 302, 303, 307 or 308");
  route.redirect->status = *status;
  return {};
}

Result<> read_body(std::string_view text, Route& route) {
  const unsigned status = route.response->status;
  if (status == 204 || status == 205 || status == 304)
    return wrong(fmt::format("a response with the status {} has no body", status));
  route.response->body = text;
  return {};
}

/// Which routes an option is for.
enum class For : std::uint8_t { all, backends, redirects, responses, backends_and_redirects };

struct Option {
  std::string_view name;
  bool has_value;
  For whom;
  Result<> (*read)(std::string_view value, Route& route);
};

constexpr std::array options{
    Option{"exact", false, For::all, read_exact},
    Option{"regex", false, For::all, read_regex},
    Option{"method", true, For::all, read_method},
    Option{"header", true, For::all, read_header<false>},
    Option{"header-regex", true, For::all, read_header<true>},
    Option{"query", true, For::all, read_query<false>},
    Option{"query-regex", true, For::all, read_query<true>},
    Option{"set-header", true, For::backends, read_change<&Filters::request, &FieldChanges::set>},
    Option{"add-header", true, For::backends, read_change<&Filters::request, &FieldChanges::add>},
    Option{"remove-header", true, For::backends, read_removal<&Filters::request>},
    Option{"set-response-header", true, For::all, read_change<&Filters::response, &FieldChanges::set>},
    Option{"add-response-header", true, For::all, read_change<&Filters::response, &FieldChanges::add>},
    Option{"remove-response-header", true, For::backends, read_removal<&Filters::response>},
    Option{"host", true, For::backends, read_host},
    Option{"prefix", true, For::backends_and_redirects, read_rewrite<PathRewrite::Kind::prefix>},
    Option{"path", true, For::backends_and_redirects, read_rewrite<PathRewrite::Kind::whole>},
    Option{"timeout", true, For::backends, read_timeout<&Patience::request>},
    Option{"backend-timeout", true, For::backends, read_timeout<&Patience::backend>},
    Option{"idle-timeout", true, For::backends, read_timeout<&Patience::silence>},
    Option{"retries", true, For::backends, read_retries},
    Option{"retry-on", true, For::backends, read_retry_on},
    Option{"balance", true, For::backends, read_balance},
    Option{"status", true, For::redirects, read_status},
    Option{"body", true, For::responses, read_body},
};

/// Empty: it is for this route.
std::string_view not_for(For whom, const Route& route) {
  switch (whom) {
    case For::all:
      return {};
    case For::backends:
      return route.backends.empty() ? "it is for routes to backends" : std::string_view();
    case For::redirects:
      return route.redirect ? std::string_view() : "it is for routes to redirect:";
    case For::responses:
      return route.response ? std::string_view() : "it is for routes to respond:";
    case For::backends_and_redirects:
      return route.response ? "it is for routes to backends and to redirect:" : std::string_view();
  }
  return {};
}

}  // namespace

Result<> read_route_option(std::string_view text, Route& route) {
  const std::size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const auto* const found = std::ranges::find(options, name, &Option::name);
  if (found == options.end())
    return wrong(fmt::format("there is no option '{}'; a ; in a value is written ;;", name));
  const bool has_value = equals != std::string_view::npos;
  if (has_value != found->has_value)
    return wrong(has_value ? fmt::format("the option {} has no value", name)
                           : fmt::format("the option {} wants a value, as in {}=...", name, name));
  std::string_view why = not_for(found->whom, route);
  if (why.empty()) {
    const auto done = found->read(has_value ? text.substr(equals + 1) : std::string_view(), route);
    if (done) return {};
    return wrong(fmt::format("the option {}: {}", name, done.error().message));
  }
  return wrong(fmt::format("the option {}: {}", name, why));
}

bool may_be_repeated(std::string_view name) {
  return name.find("header") != std::string_view::npos || name.starts_with("query");
}

}  // namespace sallyport::config
