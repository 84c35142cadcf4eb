#include "dial/url.h"

#include "base/hex.h"
#include "net/host_name.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace sallyport::dial {
namespace {

bool is_alpha(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_hex_pair(std::string_view text) {
  return text.size() == 2 && from_hex(text).has_value();
}

/// RFC 3986 §3.3: what stands in a segment as it is.
bool is_segment_char(char c) {
  constexpr std::string_view others = "-._~!$&'()*+,;=:@";
  return is_alpha(c) || is_digit(c) || others.find(c) != std::string_view::npos;
}

void append_encoded(std::string& out, char c) {
  fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
}

/// Of a path or a query, where encoding that is there stays.
std::string encoded(std::string_view text, bool is_query) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool stays = is_segment_char(c) || c == '/' || (c == '?' && is_query) ||
                       (c == '%' && is_hex_pair(text.substr(i + 1, 2)));
    if (stays)
      out += c;
    else
      append_encoded(out, c);
  }
  return out;
}

/// Which of the dot segments it is, the dots encoded or not: 1, 2, or 0 for another segment.
std::size_t dots(std::string_view segment) {
  std::size_t count = 0;
  for (; !segment.empty(); ++count) {
    if (segment.starts_with('.'))
      segment.remove_prefix(1);
    else if (segment.starts_with("%2e") || segment.starts_with("%2E"))
      segment.remove_prefix(3);
    else
      return 0;
  }
  return count <= 2 ? count : 0;
}

/// RFC 3986 §5.2.4. `path` begins with '/'.
std::string without_dot_segments(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/', 1), path.size());
    const std::string_view segment = path.substr(1, end - 1);
    const bool last = end == path.size();
    path.remove_prefix(end);
    const std::size_t count = dots(segment);
    if (count == 2) out.resize(out.empty() ? 0 : out.rfind('/'));
    if (count == 0)
      out.append("/").append(segment);
    else if (last)
      out += '/';
  }
  return out;
}

/// "https" of "https:...", nullopt where the text does not begin with a scheme (RFC 3986 §3.1).
std::optional<std::string_view> scheme_of(std::string_view text) {
  const auto end = std::find_if(text.begin(), text.end(), [](char c) {
    return !is_alpha(c) && !is_digit(c) && c != '+' && c != '-' && c != '.';
  });
  if (end == text.end() || *end != ':' || !is_alpha(text.front())) return std::nullopt;
  return text.substr(0, static_cast<std::size_t>(end - text.begin()));
}

bool is_https(std::string_view scheme) {
  return std::ranges::equal(scheme, std::string_view("https"), {},
                            [](char c) { return is_alpha(c) ? c | 0x20 : c; });
}

std::string bracketed(std::string_view host) {
  return host.find(':') == std::string_view::npos ? std::string(host) : fmt::format("[{}]", host);
}

std::unexpected<Error> only_https(std::string_view whole) {
  return fail(ErrorKind::usage,
              fmt::format("'{}': only https:// URLs can be fetched", without_credentials(whole)));
}

/// `authority` is of the URL `whole`.
Result<> parse_authority(Url& url, std::string_view authority, std::string_view whole) {
  const auto wrong = [whole](std::string_view what) {
    return fail(ErrorKind::usage, fmt::format("'{}': {}", without_credentials(whole), what));
  };
  if (authority.find('@') != std::string_view::npos)
    return wrong("user names in URLs are not supported; -H 'Authorization: Basic ...' sends them");
  auto parsed = net::parse_host_and_port(authority);
  if (!parsed) return wrong(parsed.error().message);
  url.port = parsed->port.value_or(url.port);
  url.host = std::move(parsed->host);
  return {};
}

}  // namespace

std::string Url::authority() const {
  const std::string name = bracketed(net::without_zone(host));
  return port == 443 ? name : fmt::format("{}:{}", name, port);
}

std::string Url::origin() const {
  return fmt::format("{}:{}", bracketed(host), port);
}

std::string Url::to_string() const {
  std::string name = bracketed(host);
  if (const std::size_t zone = name.find('%'); zone != std::string::npos) name.insert(zone + 1, "25");
  return port == 443 ? fmt::format("https://{}{}", name, target)
                     : fmt::format("https://{}:{}{}", name, port, target);
}

std::string Url::file_name() const {
  std::string_view path = target;
  path = path.substr(0, path.find('?'));
  path.remove_prefix(path.rfind('/') + 1);
  std::string name;
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == '%' && is_hex_pair(path.substr(i + 1, 2))) {
      c = static_cast<char>(from_hex(path.substr(i + 1, 2))->front());
      i += 2;
    }
    name += c == '/' || c == '\0' ? '_' : c;
  }
  if (name.empty() || name == "." || name == "..") return "index.html";
  return name;
}

std::string without_credentials(std::string_view text) {
  const auto scheme = scheme_of(text);
  std::size_t begin = scheme && text.substr(scheme->size() + 1).starts_with('/') ? scheme->size() + 1 : 0;
  begin = std::min(text.find_first_not_of('/', begin), text.size());
  if (begin > 0 && !scheme && !text.starts_with("//")) return std::string(text);  // a path
  const std::string_view authority = text.substr(begin, text.find_first_of("/?#", begin) - begin);
  std::size_t at = authority.rfind('@');
  // A '/', '?' or '#' in a password ends the authority, which then has no port.
  const std::size_t colon = authority.rfind(':');
  const bool may_be_cut = colon != std::string_view::npos &&
                          authority.find_first_not_of("0123456789]", colon + 1) != std::string_view::npos;
  if (at == std::string_view::npos && may_be_cut) at = text.substr(begin).rfind('@');
  if (at == std::string_view::npos) return std::string(text);
  return fmt::format("{}...{}", text.substr(0, begin), text.substr(begin + at));
}

Result<Url> parse_url(std::string_view text) {
  const std::string_view whole = text;
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }))
    return fail(ErrorKind::usage,
                fmt::format("'{}' is not a URL: it has a control character", without_credentials(whole)));
  text = text.substr(0, text.find('#'));
  // "localhost:8080/" has no scheme.
  const auto scheme = scheme_of(text);
  if (scheme && (is_https(*scheme) || text.substr(scheme->size() + 1).starts_with('/'))) {
    if (!is_https(*scheme)) return only_https(whole);
    text.remove_prefix(scheme->size() + 1);
    constexpr std::size_t most_slashes = 3;  // as curl takes them
    text.remove_prefix(std::min({text.find_first_not_of('/'), text.size(), most_slashes}));
  } else if (text.starts_with('-')) {
    return fail(ErrorKind::usage,
                fmt::format("'{0}' is not a URL; where it is the name of a host, write https://{0}",
                            without_credentials(whole)));
  }
  Url url;
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  if (auto parsed = parse_authority(url, text.substr(0, end), whole); !parsed)
    return std::unexpected(parsed.error());
  text.remove_prefix(end);
  const std::size_t query = std::min(text.find('?'), text.size());
  const std::string path = encoded(text.substr(0, query), false);
  url.target = path.empty() ? "/" : without_dot_segments(path);
  if (query < text.size()) url.target += "?" + encoded(text.substr(query + 1), true);
  return url;
}

Result<Url> resolve_reference(const Url& base, std::string_view reference) {
  if (const auto scheme = scheme_of(reference)) {
    if (is_https(*scheme)) return parse_url(reference);
    return only_https(reference);
  }
  if (reference.starts_with("//")) return parse_url(fmt::format("https:{}", reference));
  const std::string_view target = base.target;
  const std::size_t query = std::min(target.find('?'), target.size());
  std::string_view kept;
  if (reference.empty() || reference.starts_with('#'))
    kept = target;
  else if (reference.starts_with('?'))
    kept = target.substr(0, query);
  else if (!reference.starts_with('/'))
    kept = target.substr(0, target.rfind('/', query) + 1);
  const Url origin{base.host, base.port, std::string(kept)};
  return parse_url(origin.to_string().append(reference));
}

std::string encoded_segment(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_segment_char(c))
      out += c;
    else
      append_encoded(out, c);
  }
  return out;
}

}  // namespace sallyport::dial
