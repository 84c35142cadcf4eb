#include "masque/uri_template.h"

#include "net/address.h"
#include "net/host_name.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace sallyport::masque {
namespace {

constexpr std::size_t max_name_size = 253;  // RFC 1035 §3.1, written with dots

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_unreserved(char c) {  // RFC 3986 §2.3
  return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_escape(std::string_view text, std::size_t at) {
  return at + 2 < text.size() && hex_digit(text[at + 1]) >= 0 && hex_digit(text[at + 2]) >= 0;
}

void append_encoded(std::string& out, std::string_view value) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : value) {
    if (is_unreserved(c)) {
      out += c;
    } else {
      const auto octet = static_cast<unsigned char>(c);
      out += '%';
      out += digits[octet >> 4];
      out += digits[octet & 15];
    }
  }
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (!is_escape(text, i)) return std::nullopt;
    out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
    i += 2;
  }
  return out;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

/// An IPv4 or IPv6 address without zone (a zone means nothing to another machine), or what may stand in a DNS
/// name.
bool is_host(std::string_view host) {
  if (host.find(':') != std::string_view::npos) {
    if (host.find('%') != std::string_view::npos) return false;
    const auto address = net::IpAddress::parse(host);
    return address && address->is_v6();
  }
  return !host.empty() && host.size() <= max_name_size && std::ranges::all_of(host, [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_';
  });
}

/// What an error message may repeat of a peer's words.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 80)) out += c >= 0x20 && c < 0x7f && c != '"' ? c : '?';
  if (text.size() > 80) out += "...";
  return out + '"';
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

/// RFC 9298 §2: which templates a client must reject.
Result<> check_path_template(std::string_view path) {
  bool host = false;
  bool port = false;
  for (std::size_t i = 0; i < path.size(); ++i) {
    const char c = path[i];
    if (c == '{') {
      const auto end = path.find('}', i);
      if (end == std::string_view::npos) return fail_template("\"{\" is not closed by \"}\"");
      const Expression expression(path.substr(i + 1, end - i - 1));
      if (expression.operation != '\0' && expression.operation != '?' && expression.operation != '&')
        return fail_template(std::string("the operator \"") + expression.operation +
                             "\" is not allowed in a template for CONNECT-UDP");
      bool names_are_good = true;
      expression.for_each_name([&](std::string_view name) {
        names_are_good = names_are_good && is_variable_name(name);
        host = host || name == "target_host";
        port = port || name == "target_port";
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
  if (!host || !port)
    return fail_template(
        "a template needs {target_host} and {target_port}; without a path the default "
        "template is used");
  return {};
}

/// The two values of `query` under these names. Each may be there once: two of a kind would mean one target
/// to us and another to whoever filters in front of us.
struct QueryTarget {
  std::optional<std::string_view> host, port;
  bool twice = false;

  QueryTarget(std::string_view query, std::string_view host_name, std::string_view port_name) {
    while (!query.empty()) {
      const auto end = query.find('&');
      const std::string_view pair = query.substr(0, end);
      query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
      const auto equals = pair.find('=');
      const std::string_view name = pair.substr(0, equals);
      if (name != host_name && name != port_name) continue;
      auto& value = name == host_name ? host : port;
      twice = twice || value.has_value();
      value = equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    }
  }
};

}  // namespace

std::string Target::to_string() const {
  const bool brackets = host.find(':') != std::string::npos;
  return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<ProxyTemplate> ProxyTemplate::parse(std::string_view text) {
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
  result.path_ = path.empty() || path == "/" ? default_udp_template_path : path;
  if (auto good = check_path_template(result.path_); !good) return std::unexpected(good.error());
  return result;
}

std::string ProxyTemplate::authority() const {
  const std::string with_port = Target{std::string(net::without_zone(host_)), port_}.to_string();
  return port_ == 443 ? with_port.substr(0, with_port.rfind(':')) : with_port;
}

std::string ProxyTemplate::expand(const Target& target) const {
  std::string out;
  const std::string_view path = path_;
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
      const bool is_target_host = name == "target_host";
      if (!is_target_host && name != "target_port") return;  // other variables are undefined
      if (separator != '\0') out += separator;
      separator = named ? '&' : ',';
      if (named) (out += name) += '=';
      append_encoded(out, is_target_host ? target.host : std::to_string(target.port));
    });
    i = end;
  }
  return out;
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
      const QueryTarget found(path.substr(question + 1), host_name, port_name);
      if (!found.host && !found.port) continue;
      if (!found.host || !found.port || found.twice)
        return fail(ErrorKind::protocol, "the query needs " + std::string(host_name) + " and " +
                                             std::string(port_name) + ", each once");
      return make_target(*found.host, *found.port);
    }
  }
  return fail(ErrorKind::closed, "no CONNECT-UDP resource at path " + quoted(path));
}

Result<Target> parse_authority(std::string_view authority) {
  const auto parts = split_host_port(authority);
  const auto port = parts && parts->port ? parse_port(*parts->port) : std::nullopt;
  if (!port) return fail(ErrorKind::protocol, "CONNECT target " + quoted(authority) + " is not HOST:PORT");
  return Target{std::string(parts->host), *port};
}

}  // namespace sallyport::masque
