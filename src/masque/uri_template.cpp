#include "masque/uri_template.h"

#include "masque/uri_text.h"
#include "net/host_name.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <optional>
#include <utility>

namespace sallyport::masque {
namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

Result<Target> make_target(std::string_view host, std::string_view port) {
  const auto decoded_host = percent_decode(host);
  if (!decoded_host || !is_host(*decoded_host))
    return fail(ErrorKind::protocol, "target_host " + quoted(host) + " is neither a name nor an IP address");
  const auto decoded_port = percent_decode(port);
  const auto number = decoded_port ? parse_port(*decoded_port) : std::nullopt;
  if (!number) return fail(ErrorKind::protocol, "target_port " + quoted(port) + " is not in 1 to 65535");
  return Target{*decoded_host, *number};
}

struct HostPort {
  std::string_view host;
  std::optional<std::string_view> port;
};

/// "host", "host:port", "[v6]" or "[v6]:port", the brackets taken off.
std::optional<HostPort> split_host_port(std::string_view text) {
  HostPort result;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    result.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (result.host.find(':') == std::string_view::npos) return std::nullopt;
  } else {
    const auto colon = text.find(':');
    result.host = text.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
  }
  if (!rest.empty()) {
    if (rest.front() != ':') return std::nullopt;
    result.port = rest.substr(1);
  }
  if (!is_host(result.host)) return std::nullopt;
  return result;
}

/// One {expression} of a template: its operator ('\0' for simple expansion) and its names, comma between.
struct Expression {
  char operation = '\0';
  std::string_view names;

  explicit Expression(std::string_view inside) : names(inside) {
    if (!inside.empty() && !is_alphanumeric(inside.front()) && inside.front() != '_' &&
        inside.front() != '%') {
      operation = inside.front();
      names.remove_prefix(1);
    }
  }
  template <class Visit>
  void for_each_name(Visit&& visit) const {
    for (std::size_t at = 0;;) {
      const auto comma = names.find(',', at);
      visit(names.substr(at, comma == std::string_view::npos ? comma : comma - at));
      if (comma == std::string_view::npos) return;
      at = comma + 1;
    }
  }
};

bool is_variable_name(std::string_view name) {  // RFC 6570 §2.3
  if (name.empty() || name.front() == '.' || name.back() == '.') return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '%' ? !is_escape(name, i) : !is_alphanumeric(name[i]) && name[i] != '_' && name[i] != '.')
      return false;
  }
  return true;
}

std::unexpected<Error> fail_template(std::string why) {
  return fail(ErrorKind::usage, std::move(why));
}

/// What has to be, and what may be, in a template for one protocol.
struct TemplateRules {
  std::string_view default_path, method;
  std::string_view first, second;  // the variables
  bool both_needed;
};

const TemplateRules& rules_of(Protocol carried) {
  static constexpr TemplateRules udp{default_udp_template_path, "CONNECT-UDP", "target_host", "target_port",
                                     true};
  // RFC 9484 §3: what is left out is "*".
  static constexpr TemplateRules ip{default_ip_template_path, "CONNECT-IP", "target", "ipproto", false};
  return carried == Protocol::ip ? ip : udp;
}

/// RFC 9298 §2, RFC 9484 §3: which templates a client must reject.
Result<> check_path_template(std::string_view path, Protocol carried) {
  const TemplateRules& rules = rules_of(carried);
  bool first = false;
  bool second = false;
  bool for_udp = false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '{') {
      const auto end = path.find('}', i);
      if (end == std::string_view::npos) return fail_template("\"{\" is not closed by \"}\"");
      const Expression expression(path.substr(i + 1, end - i - 1));
      if (expression.operation != '\0' && expression.operation != '?' && expression.operation != '&')
        return fail_template(std::string("the operator \"") + expression.operation +
                             "\" is not allowed in a template for " + std::string(rules.method));
      bool names_are_good = true;
      expression.for_each_name([&](std::string_view name) {
        names_are_good = names_are_good && is_variable_name(name);
        first = first || name == rules.first;
        second = second || name == rules.second;
        for_udp = for_udp || name == "target_host" || name == "target_port";
      });
      if (!names_are_good)
        return fail_template("{" + std::string(expression.names) + "} does not name plain variables");
      i = end;
    } else if (c == '%' ? !is_escape(path, i) : c <= 0x20 || c >= 0x7f) {
      return fail_template("spaces and other than ASCII characters must be percent-encoded");
    } else if (std::string_view("\"#<>\\^`|}").find(c) != std::string_view::npos) {
      return fail_template(std::string("\"") + c + "\" is not allowed in a URI template");
    }
  }
  if (rules.both_needed && (!first || !second))
    return fail_template(
        "a template needs {target_host} and {target_port}; without a path the default "
        "template is used");
  if (carried == Protocol::ip && for_udp)
    return fail_template(
        "{target_host} and {target_port} are CONNECT-UDP's; CONNECT-IP has {target} and "
        "{ipproto}");
  return {};
}

/// `path` with its expressions expanded (RFC 6570 §3.2). `append(out, name)` appends the variable's value;
/// false: it is undefined.
template <class Append>
std::string expand_path(std::string_view path, Append&& append) {
  std::string out;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (path[i] != '{') {
      out += path[i];
      continue;
    }
    const auto end = path.find('}', i);
    const Expression expression(path.substr(i + 1, end - i - 1));
    const bool named = expression.operation != '\0';
    char separator = expression.operation;
    expression.for_each_name([&](std::string_view name) {
      const std::size_t before = out.size();
      if (separator != '\0') out += separator;
      if (named) (out += name) += '=';
      if (!append(out, name)) return out.resize(before);
      separator = named ? '&' : ',';
    });
    i = end;
  }
  return out;
}

}  // namespace

std::string Target::to_string() const {
  const bool brackets = host.find(':') != std::string::npos;
  return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<ProxyTemplate> ProxyTemplate::parse(std::string_view text, Protocol carried) {
  constexpr std::string_view scheme = "https://", end_of_scheme = "://";
  const bool has_scheme = std::ranges::equal(text.substr(0, scheme.size()), scheme, [](char a, char b) {
    return a == b || (a >= 'A' && a <= 'Z' && a + 32 == b);
  });
  // In a path it would be no scheme's.
  if (!has_scheme && text.substr(0, text.find('/') + 2).ends_with(end_of_scheme))
    return fail_template(
        "only https:// proxies can be used; name it as https://HOST[:PORT] or as a URI template");
  const std::string_view rest = has_scheme ? text.substr(scheme.size()) : text;
  const auto slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  const std::size_t colon = authority.find(':', std::min(bracket, authority.size()));
  auto host = net::parse_host(authority.substr(0, colon));
  if (!host)
    return fail_template(quoted(authority) + " is not HOST[:PORT]: " + host.error().message +
                         "; an IPv6 address needs brackets");
  ProxyTemplate result;
  result.host_ = std::move(*host);
  // RFC 3986 §3.2.3: an empty port is the default one.
  if (colon != std::string_view::npos && colon + 1 < authority.size()) {
    const auto port = parse_port(authority.substr(colon + 1));
    if (!port) return fail_template("the port is not in 1 to 65535");
    result.port_ = *port;
  }
  const std::string_view path = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash);
  result.carried_ = carried;
  result.path_ = path.empty() || path == "/" ? rules_of(carried).default_path : path;
  if (auto good = check_path_template(result.path_, carried); !good) return std::unexpected(good.error());
  return result;
}

std::string ProxyTemplate::authority() const {
  const std::string with_port = Target{std::string(net::without_zone(host_)), port_}.to_string();
  return port_ == 443 ? with_port.substr(0, with_port.rfind(':')) : with_port;
}

std::string ProxyTemplate::expand(const Target& target) const {
  assert(carried_ != Protocol::ip);
  return expand_path(path_, [&](std::string& out, std::string_view name) {
    if (name != "target_host" && name != "target_port") return false;
    append_encoded(out, name == "target_host" ? target.host : std::to_string(target.port));
    return true;
  });
}

Result<std::string> ProxyTemplate::expand(const IpScope& scope) const {
  assert(carried_ == Protocol::ip);
  bool target = scope.is_any_target();
  bool protocol = !scope.protocol.has_value();
  std::string path = expand_path(path_, [&](std::string& out, std::string_view name) {
    if (name != "target" && name != "ipproto") return false;
    (name == "target" ? target : protocol) = true;
    const std::string value = name == "target" ? scope.target_text() : scope.protocol_text();
    // RFC 6570 would encode it; RFC 9484 (figures 2 and 4) does not, and some proxies compare the text.
    if (value == "*")
      out += value;
    else
      append_encoded(out, value);
    return true;
  });
  if (!target || !protocol)
    return fail(ErrorKind::usage,
                "proxy " + quoted(host_) + ": its URI template has no {" +
                    (target ? "ipproto} to limit the tunnel to protocol " + scope.protocol_text()
                            : "target} to limit the tunnel to " + scope.target_text()));
  return path;
}

Result<Target> match_udp_path(std::string_view path) {
  constexpr std::string_view prefix = "/.well-known/masque/udp/";
  const auto question = path.find('?');
  const std::string_view before = path.substr(0, question);
  if (before.starts_with(prefix)) {
    const std::string_view variables = before.substr(prefix.size());
    const auto slash = variables.find('/');
    if (slash == std::string_view::npos) return fail(ErrorKind::protocol, "the path has no target_port");
    std::string_view port = variables.substr(slash + 1);
    if (port.ends_with('/')) port.remove_suffix(1);
    return make_target(variables.substr(0, slash), port);
  }
  if (question != std::string_view::npos) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 2> forms{
        {{"target_host", "target_port"}, {"h", "p"}}};
    for (const auto& [host_name, port_name] : forms) {
      const QueryPair found(path.substr(question + 1), host_name, port_name);
      if (!found.first && !found.second) continue;
      if (!found.first || !found.second || found.twice)
        return fail(ErrorKind::protocol, "the query needs " + std::string(host_name) + " and " +
                                             std::string(port_name) + ", each once");
      return make_target(*found.first, *found.second);
    }
  }
  return fail(ErrorKind::closed, "no CONNECT-UDP resource at path " + quoted(path));
}

Result<IpScope> match_ip_path(std::string_view path) {
  constexpr std::string_view prefix = "/.well-known/masque/ip/";
  const auto question = path.find('?');
  const std::string_view before = path.substr(0, question);
  if (before.starts_with(prefix)) {
    const std::string_view variables = before.substr(prefix.size());
    const auto slash = variables.find('/');
    if (slash == std::string_view::npos) return fail(ErrorKind::protocol, "the path has no ipproto");
    std::string_view protocol = variables.substr(slash + 1);
    if (protocol.ends_with('/')) protocol.remove_suffix(1);
    return parse_ip_scope(variables.substr(0, slash), protocol);
  }
  if (question != std::string_view::npos) {
    const QueryPair found(path.substr(question + 1), "target", "ipproto");
    if (found.twice) return fail(ErrorKind::protocol, "the query may have target and ipproto once each");
    if (found.first || found.second)
      return parse_ip_scope(found.first.value_or("*"), found.second.value_or("*"));
  }
  return fail(ErrorKind::closed, "no CONNECT-IP resource at path " + quoted(path));
}

Result<Target> parse_authority(std::string_view authority) {
  const auto parts = split_host_port(authority);
  const auto port = parts && parts->port ? parse_port(*parts->port) : std::nullopt;
  if (!port) return fail(ErrorKind::protocol, "CONNECT target " + quoted(authority) + " is not HOST:PORT");
  return Target{std::string(parts->host), *port};
}

}  // namespace sallyport::masque
