#include "config/backend_url.h"

#include "config/number.h"
#include "http/validation.h"
#include "net/host_name.h"

#include <algorithm>
#include <array>
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

}  // namespace

std::string_view to_string(BackendProtocol protocol) {
  return std::ranges::find(schemes, protocol, &Scheme::protocol)->name;
}

std::string Backend::to_string() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return fmt::format("{}://{}{}{}:{}", config::to_string(protocol), is_v6 ? "[" : "", host, is_v6 ? "]" : "",
                     port);
}

Result<Backend> parse_backend(std::string_view text) {
  const auto wrong = [](std::string what) { return fail(ErrorKind::usage, std::move(what)); };
  Backend backend;
  const std::size_t hash = std::min(text.find('#'), text.size());
  if (hash < text.size()) {
    const auto weight = number<std::uint32_t>(text.substr(hash + 1), 0, largest_weight);
    if (!weight) return wrong(fmt::format("its weight, behind the #, is 0 to {}", largest_weight));
    backend.weight = *weight;
  }
  std::string_view url = text.substr(0, hash);
  const std::size_t colon = url.find("://");
  const auto* const scheme = std::ranges::find_if(schemes, [&](const Scheme& each) {
    return colon != std::string_view::npos && http::equal_ignoring_case(each.name, url.substr(0, colon));
  });
  if (scheme == schemes.end())
    return wrong("it begins with http://, https://, h2c:// or h3://, as http://127.0.0.1:8080 does");
  url.remove_prefix(colon + 3);
  const std::size_t slash = std::min(url.find_first_of("/?"), url.size());
  if (slash + 1 < url.size() || url.substr(slash).starts_with('?'))
    return wrong("it has no path: requests keep their own, and ;prefix=/PATH changes it");
  const std::string_view authority = url.substr(0, slash);
  if (authority.find('@') != std::string_view::npos) return wrong("it has no user name");
  auto parsed = net::parse_host_and_port(authority);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  backend.protocol = scheme->protocol;
  backend.port = parsed->port.value_or(scheme->port);
  backend.host = std::move(parsed->host);
  return backend;
}

}  // namespace sallyport::config
