#include "masque/refusal_error.h"

#include "http/h2_error.h"
#include "masque/proxy_status.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace sallyport::masque {
namespace {

ErrorKind kind_of(unsigned status, std::string_view error) {
  constexpr std::array<std::pair<std::string_view, ErrorKind>, 13> by_error{{
      {"dns_error", ErrorKind::resolve},
      {"dns_timeout", ErrorKind::resolve},
      {"destination_not_found", ErrorKind::resolve},
      {"destination_unavailable", ErrorKind::unreachable},
      {"destination_ip_unroutable", ErrorKind::unreachable},
      {"destination_ip_prohibited", ErrorKind::denied},
      {"http_request_denied", ErrorKind::http},
      {"connection_refused", ErrorKind::refused},
      {"connection_terminated", ErrorKind::closed},
      {"connection_timeout", ErrorKind::timeout},
      {"connection_read_timeout", ErrorKind::timeout},
      {"connection_write_timeout", ErrorKind::timeout},
      {"connection_limit_reached", ErrorKind::resource},
  }};
  for (const auto& [name, kind] : by_error)
    if (name == error) return kind;
  switch (status) {
    case 408:
    case 504:
      return ErrorKind::timeout;
    case 429:
      return ErrorKind::resource;
    default:
      return ErrorKind::http;
  }
}

/// 401 and 407: what the user has to do about the token.
std::string what_is_wanted(const http::Response& response, const http::Fields& request) {
  const auto challenge =
      response.fields.joined(response.status == 407 ? "proxy-authenticate" : "www-authenticate");
  std::string schemes = challenge.value_or("bearer");
  std::ranges::transform(schemes, schemes.begin(), [](unsigned char c) { return std::tolower(c); });
  if (schemes.find("bearer") == std::string::npos)
    return "it requires another authentication scheme than Bearer, the one of --token-file";
  if (request.contains("authorization") || request.contains("proxy-authorization"))
    return "it rejected the bearer token of --token-file";
  return "it requires a bearer token; give one with --token-file FILE";
}

}  // namespace

Error refusal_error(std::string_view target, const http::Response& response, const http::Fields& request) {
  if (response.status / 100 == 3)
    return {ErrorKind::http,
            fmt::format(
                "the hop answered the request for a tunnel to {} with a redirect ({}), which is not followed",
                target, response.status),
            response.status};
  std::optional<ProxyStatus> told;
  if (const auto field = response.fields.joined("proxy-status")) told = parse_proxy_status(*field);
  std::string why = std::to_string(response.status);
  if (response.status == 401 || response.status == 407) {
    why += ", " + what_is_wanted(response, request);
    return {ErrorKind::denied, fmt::format("the hop refused the tunnel to {}: {}", target, why),
            response.status};
  }
  if (told && !told->error.empty()) why += ", " + told->error;
  if (told && !told->details.empty()) why += " (" + told->details + ")";
  return {kind_of(response.status, told ? told->error : std::string_view{}),
          fmt::format("the hop refused the tunnel to {}: {}", target, why), response.status};
}

Error tunnel_end_error(std::string_view target, http::Version version, const Error& why) {
  const bool lost =
      (version == http::Version::http3 && why.code == target_lost) ||
      (version == http::Version::http2 && why.code == http::h2_code(http::ResetCode::connect_error));
  const std::string_view what =
      lost ? "its target reset it or cannot be reached (CONNECT_ERROR)" : std::string_view(why.message);
  return {why.kind, fmt::format("the tunnel to {} ended: {}", target, what), lost ? target_lost : why.code};
}

}  // namespace sallyport::masque
