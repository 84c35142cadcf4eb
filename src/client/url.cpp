#include "client/url.h"

#include "http/validation.h"

#include <boost/url.hpp>
#include <fmt/format.h>

namespace sallyport::client {
namespace {

std::string bracketed(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

}  // namespace

std::string Url::authority() const {
  return port == 443 ? bracketed(host) : fmt::format("{}:{}", bracketed(host), port);
}

std::string Url::origin() const {
  return fmt::format("{}:{}", bracketed(host), port);
}

std::string Url::to_string() const {
  return "https://" + authority() + target;
}

std::string Url::file_name() const {
  std::string_view path = target;
  path = path.substr(0, path.find('?'));
  const std::string_view encoded = path.substr(path.rfind('/') + 1);
  std::string name;
  if (auto view = boost::urls::make_pct_string_view(encoded)) name = view->decode();
  for (char& c : name)
    if (c == '/' || c == '\0') c = '_';
  if (name.empty() || name == "." || name == "..") return "index.html";
  return name;
}

Result<Url> parse_url(std::string_view text) {
  std::string whole(text);
  if (whole.find("://") == std::string::npos) whole.insert(0, "https://");
  auto parsed = boost::urls::parse_uri(whole);
  if (!parsed)
    return fail(ErrorKind::usage, fmt::format("'{}' is not a URL: {}", text, parsed.error().message()));
  if (parsed->scheme() != "https")
    return fail(ErrorKind::usage, fmt::format("'{}': only https:// URLs can be fetched", text));
  Url url;
  url.host = parsed->host_address();
  if (url.host.empty()) return fail(ErrorKind::usage, fmt::format("'{}' names no host", text));
  if (parsed->has_userinfo())
    return fail(ErrorKind::usage, fmt::format("'{}': a user name in the URL is not taken", text));
  if (parsed->has_port()) {
    url.port = parsed->port_number();
    if (url.port == 0) return fail(ErrorKind::usage, fmt::format("'{}': the port must be 1 to 65535", text));
  }
  // Percent-encoded, anything may stand in a name; it goes into :authority and Host, messages and files.
  const bool odd_name = parsed->host_type() == boost::urls::host_type::name &&
                        url.host.find_first_of(":%[]") != std::string::npos;
  if (odd_name || !http::is_authority(url.authority()))
    return fail(ErrorKind::usage,
                fmt::format("'{}': the host has a character that host names have not", text));
  url.target = parsed->encoded_path();
  if (url.target.empty()) url.target = "/";
  if (parsed->has_query()) url.target.append("?").append(parsed->encoded_query());
  return url;
}

}  // namespace sallyport::client
