#include "ingress/forwarded_message.h"

#include "http/connection.h"
#include "tls/client_certificate.h"

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include <fmt/format.h>

namespace sallyport::ingress {
namespace {

/// Said by this gateway alone, or by none: others than X-Forwarded-For have been used for the same.
constexpr std::array<std::string_view, 10> of_gateways{
    "forwarded",           "x-request-id",   "x-real-ip",       "true-client-ip", "x-client-ip",
    "x-cluster-client-ip", "x-original-url", "x-original-host", "x-rewrite-url",  "x-forwarded"};

/// How names of such begin, in families of them: where a request came from, and the client's certificate as
/// RFC 9440 and other servers and proxies put it.
constexpr std::array<std::string_view, 13> families_of_gateways{
    "x-forwarded-",    "client-cert",  "x-client-cert", "ssl-client", "x-ssl-",
    "x-amzn-mtls-",    "x-tls-client", "tls-client-",   "x-mtls-",    "x-arr-clientcert",
    "x-client-verify", "x-client-dn",  "x-client-s-dn"};

/// RFC 9110 §6.5.1: framing, routing, authentication, what a request asks for, and what content is.
constexpr std::array<std::string_view, 23> never_in_trailers{"early-data",
                                                             "transfer-encoding",
                                                             "content-length",
                                                             "host",
                                                             "authorization",
                                                             "proxy-authorization",
                                                             "cookie",
                                                             "set-cookie",
                                                             "te",
                                                             "expect",
                                                             "max-forwards",
                                                             "cache-control",
                                                             "pragma",
                                                             "range",
                                                             "content-encoding",
                                                             "content-type",
                                                             "content-range",
                                                             "www-authenticate",
                                                             "trailer",
                                                             "proxy-authenticate",
                                                             "via",
                                                             "location",
                                                             "age"};

/// CGI and its kin make one variable of '_' and '-'.
char folded(char c) {
  return c == '_' ? '-' : c;
}

bool is_alike(std::string_view name, std::string_view other) {
  return std::ranges::equal(name, other, {}, folded);
}

constexpr std::size_t longest_request_id = 128;

/// "for=192.0.2.1;host=...;proto=https" (RFC 7239 §4).
std::string forwarded_element(std::string_view address, std::string_view host, std::string_view scheme) {
  const bool is_v6 = address.find(':') != std::string_view::npos;
  std::string made = fmt::format("for={}{}{}", is_v6 ? "\"[" : "", address, is_v6 ? "]\"" : "");
  if (!host.empty()) fmt::format_to(std::back_inserter(made), ";host=\"{}\"", host);
  return fmt::format("{};proto={}", made, scheme);
}

/// What a proxy in front of this one says of its client stays; this one adds who that proxy is.
void add_forwarded(http::Fields& fields, const http::Request& from, std::string_view address,
                   std::string_view scheme) {
  const auto append = [&](std::string_view name, std::string_view value) {
    if (const auto found = from.fields.joined(name))
      fields.add(name, fmt::format("{}, {}", *found, value));
    else if (name != "forwarded")
      fields.add(name, value);
  };
  append("x-forwarded-for", address);
  append("forwarded", forwarded_element(address, from.authority, scheme));
  for (const http::Fields::Field field : from.fields)
    if (field.name.starts_with("x-forwarded-") && field.name != "x-forwarded-for")
      fields.add(field.name, field.value);
  if (!fields.contains("x-forwarded-proto")) fields.add("x-forwarded-proto", scheme);
  if (!fields.contains("x-forwarded-host") && !from.authority.empty())
    fields.add("x-forwarded-host", from.authority);
}

bool is_of_gateways(std::string_view name) {
  return std::ranges::any_of(
             families_of_gateways,
             [name](std::string_view each) { return is_alike(name.substr(0, each.size()), each); }) ||
         std::ranges::any_of(of_gateways, [name](std::string_view each) { return is_alike(name, each); });
}

std::string_view version_in_via(http::Version version) {
  switch (version) {
    case http::Version::http1_0:
      return "1.0";
    case http::Version::http1_1:
      return "1.1";
    case http::Version::http2:
      return "2.0";
    case http::Version::http3:
      return "3.0";
  }
  return "1.1";
}

/// RFC 9440 §2.
void add_client_certificate(http::Fields& fields, const tls::ClientCertificate& client, bool with_chain) {
  fields.add("client-cert", fmt::format(":{}:", client.chain.front()));
  if (!with_chain || client.chain.size() < 2) return;
  std::string chain;
  for (const std::string& each : std::span(client.chain).subspan(1))
    chain += fmt::format("{}:{}:", chain.empty() ? "" : ", ", each);
  fields.add("client-cert-chain", chain);
}

}  // namespace

std::string request_id(const http::Request& request, bool trusts_client, Random& random) {
  const std::string_view theirs =
      trusts_client ? request.fields.find("x-request-id").value_or("") : std::string_view();
  if (!theirs.empty() && theirs.size() <= longest_request_id) return std::string(theirs);
  return fmt::format("{:016x}{:016x}", random.next_u64(), random.next_u64());
}

http::Request request_for_backend(const http::Exchange& client, std::string_view scheme,
                                  std::string_view host, const ForwardedBy& by) {
  const http::Request& from = client.request();
  const http::ConnectionInfo& info = client.connection().info();
  http::Request made;
  made.method = from.method;
  made.scheme = scheme;
  made.authority = from.authority.empty() ? std::string(host) : from.authority;
  made.path = from.path;
  made.protocol = from.protocol;
  made.priority = from.priority;
  for (const http::Fields::Field field : from.fields)
    if (!is_of_gateways(field.name)) made.fields.add(field.name, field.value);
  made.fields.add("via", fmt::format("{} {}", version_in_via(client.version()), by.pseudonym));
  const std::string address = info.path.remote.ip().unmapped().to_string();
  const std::string_view from_scheme = info.tls.empty() ? "http" : "https";
  if (by.trusts_client) {
    add_forwarded(made.fields, from, address, from_scheme);
  } else {
    made.fields.add("x-forwarded-for", address);
    made.fields.add("x-forwarded-proto", from_scheme);
    if (!from.authority.empty()) made.fields.add("x-forwarded-host", from.authority);
  }
  made.fields.add("x-request-id", by.request_id);
  if (info.client_certificate)
    add_client_certificate(made.fields, *info.client_certificate, by.client_certificate_chain);
  if (from.early_data) made.fields.set("early-data", "1");  // RFC 8470 §5.1
  return made;
}

http::Response response_for_client(const http::Response& backend) {
  http::Response made{.status = backend.status, .fields = {}};
  // It speaks of another origin's ports; this one's is said by Replies.
  for (const http::Fields::Field field : backend.fields)
    if (field.name != "alt-svc") made.fields.add(field.name, field.value);
  return made;
}

http::Fields trailers_to_forward(const http::Fields& trailers) {
  http::Fields made;
  for (const http::Fields::Field field : trailers) {
    const bool is_never = std::ranges::any_of(
        never_in_trailers, [&](std::string_view each) { return is_alike(field.name, each); });
    if (!is_never && !is_of_gateways(field.name)) made.add(field.name, field.value);
  }
  return made;
}

bool is_loop(const http::Request& request, std::string_view pseudonym) {
  for (const http::Fields::Field field : request.fields)
    if (field.name == "via" && field.value.find(pseudonym) != std::string_view::npos) return true;
  return false;
}

}  // namespace sallyport::ingress
