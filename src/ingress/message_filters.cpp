#include "ingress/message_filters.h"

#include "http/validation.h"

#include <algorithm>

#include <fmt/format.h>

namespace sallyport::ingress {
namespace {

/// `path` without as many segments as `prefix` has: they may be percent-encoded in another way there.
std::string_view behind(std::string_view prefix, std::string_view path) {
  if (prefix == "/") return path == "/" ? std::string_view() : path;
  std::size_t at = 0;
  for (auto segments = std::ranges::count(prefix, '/'); segments > 0; --segments)
    at = std::min(path.find('/', at + 1), path.size());
  return path.substr(at);
}

/// ":8443" of "example.org:8443"; empty for none.
std::string_view port_of(std::string_view authority) {
  return authority.substr(http::host_of(authority).size());
}

}  // namespace

void apply(const config::FieldChanges& changes, http::Fields& fields) {
  for (const std::string& name : changes.remove) fields.remove(name);
  for (const auto& [name, value] : changes.set) fields.set(name, value);
  for (const auto& [name, value] : changes.add) fields.add(name, value);
}

std::string rewritten(const config::PathRewrite& rewrite, std::string_view prefix, std::string_view target) {
  using Kind = config::PathRewrite::Kind;
  if (rewrite.kind == Kind::none || !target.starts_with('/')) return std::string(target);  // "*" of OPTIONS
  const std::size_t question = std::min(target.find('?'), target.size());
  const std::string_view query = target.substr(question);
  if (rewrite.kind == Kind::whole) return rewrite.value + std::string(query);
  const std::string_view rest = behind(prefix, target.substr(0, question));
  std::string path =
      rewrite.value == "/" && rest.starts_with('/') ? std::string(rest) : rewrite.value + std::string(rest);
  return path.append(query);
}

std::string location_of(const config::Redirect& redirect, std::string_view prefix,
                        const http::Request& request, bool clear) {
  const std::string_view scheme = !redirect.scheme.empty() ? std::string_view(redirect.scheme)
                                  : clear                  ? "http"
                                                           : "https";
  const bool is_v6 = redirect.host.find(':') != std::string::npos;
  const std::string host = redirect.host.empty() ? std::string(http::host_of(request.authority))
                           : is_v6               ? fmt::format("[{}]", redirect.host)
                                                 : redirect.host;
  if (host.empty()) return {};
  std::string port;
  if (redirect.port)
    port = fmt::format(":{}", *redirect.port);
  else if (redirect.scheme.empty())
    port = port_of(request.authority);
  if (port == (scheme == "https" ? ":443" : ":80")) port.clear();
  const std::string_view target = request.path.starts_with('/') ? std::string_view(request.path) : "/";
  return fmt::format("{}://{}{}{}", scheme, host, port, rewritten(redirect.path, prefix, target));
}

}  // namespace sallyport::ingress
