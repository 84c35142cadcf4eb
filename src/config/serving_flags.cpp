#include "config/serving_flags.h"

#include <algorithm>

#include <fmt/format.h>

namespace sallyport::config {
namespace {

Result<> check_certificates(const ServingFlags& flags) {
  for (const CertificateFiles& pair : flags.certificates)
    if (pair.certificate.empty() || pair.key.empty())
      return fail(ErrorKind::usage, "--cert and --key go together; one of them is missing");
  if (!flags.certificates.empty() && !flags.self_signed.empty())
    return fail(ErrorKind::usage, "give --cert and --key, or --self-signed, not both");
  if (flags.certificates.empty() && flags.self_signed.empty())
    return fail(
        ErrorKind::usage,
        "a gateway needs a certificate; give --cert FILE --key FILE, or --self-signed NAME to try it out");
  if (!flags.write_certificate.empty() && flags.self_signed.empty())
    return fail(ErrorKind::usage, "--write-cert is for the certificate that --self-signed makes");
  return {};
}

Result<> check_client_certificates(const ServingFlags& flags) {
  if (flags.client_ca.empty()) {
    if (!flags.client_certificate_required)
      return fail(ErrorKind::usage, "--client-cert is for --client-ca, which is not given");
    if (flags.client_certificate_chain)
      return fail(ErrorKind::usage, "--client-cert-chain is for --client-ca, which is not given");
    return {};
  }
  if (flags.client_certificate_chain && flags.routes.empty())
    return fail(ErrorKind::usage, "--client-cert-chain is for a --route, and none is given");
  const bool for_all = std::ranges::any_of(flags.client_ca, &std::string::empty, &ClientCaFile::listener);
  if (for_all && flags.client_certificate_required && !flags.listen_http.empty() && !flags.redirect_https)
    return fail(
        ErrorKind::usage,
        "--listen-http would serve everything without the certificate that --client-ca requires; give "
        "--redirect-https, too, or say with --client-ca HOST:PORT=FILE which --listen requires it");
  return {};
}

Result<> check_proxy(const ServingFlags& flags) {
  if (!flags.masque.empty()) return {};
  if (!flags.token_file.empty())
    return fail(ErrorKind::usage,
                "--token-file says who may use --masque, which is not given; it guards no files");
  if (!flags.allow.empty()) return fail(ErrorKind::usage, "--allow is for --masque, which is not given");
  if (!flags.allow_ports.empty())
    return fail(ErrorKind::usage, "--allow-port is for --masque, which is not given");
  if (flags.open_proxy) return fail(ErrorKind::usage, "--open-proxy is for --masque, which is not given");
  return {};
}

std::shared_ptr<const tls::ServerCredentials> credentials_of(const Material& material,
                                                             const std::string& id) {
  for (const std::string& key : {id, std::string()})
    if (const auto found = material.credentials.find(key); found != material.credentials.end())
      return found->second;
  return nullptr;
}

const net::SocketAddress& chosen(const Material& material, std::size_t index,
                                 const net::SocketAddress& wanted) {
  return material.addresses.empty() ? wanted : material.addresses[index];
}

Masque make_masque(const ServingFlags& flags, const Material& material) {
  return {.protocols = flags.masque,
          .allow = flags.allow,
          .allow_ports = flags.allow_ports,
          .never = material.admin,
          .tokens = material.tokens,
          .open = flags.open_proxy,
          .max_tunnels = flags.max_tunnels,
          .udp_idle = flags.udp_tunnel_idle,
          .tcp_idle = flags.tcp_tunnel_idle};
}

}  // namespace

bool verifies_backends(const ServingFlags& flags) {
  return std::ranges::any_of(flags.routes, [](const Route& route) {
    return std::ranges::any_of(route.backends, is_secured, &Backend::protocol);
  });
}

Result<> check_flags(const ServingFlags& flags) {
  if (flags.files.empty() && flags.routes.empty() && flags.masque.empty())
    return fail(ErrorKind::usage, std::string(nothing_to_do));
  if (!flags.backend_ca.empty() && !verifies_backends(flags))
    return fail(ErrorKind::usage, "--backend-ca is for a --route to https:// or h3://, and none is given");
  if (!flags.trusted_proxies.empty() && flags.routes.empty())
    return fail(ErrorKind::usage, "--trust-forwarded is for --route, which is not given");
  if (flags.backend_certificate.empty() != flags.backend_key.empty())
    return fail(ErrorKind::usage, "--backend-cert and --backend-key go together; one of them is missing");
  if (!flags.backend_certificate.empty() && !verifies_backends(flags))
    return fail(ErrorKind::usage, "--backend-cert is for a --route to https:// or h3://, and none is given");
  if (flags.etag != EtagParts::size_mtime_ctime && flags.files.empty())
    return fail(ErrorKind::usage, "--etag is for --files, which is not given");
  if (!flags.quic && !flags.tcp)
    return fail(ErrorKind::usage, "--no-tcp and --no-quic leave nothing to listen on; give one of them");
  if (!flags.quic && flags.alt_svc_port != 0)
    return fail(ErrorKind::usage,
                "--alt-svc-port advertises HTTP/3, which --no-quic disables; give one of the two");
  if (flags.redirect_https && flags.listen_http.empty())
    return fail(ErrorKind::usage, "--redirect-https is for --listen-http, which is not given");
  if (!flags.proxy_protocol_from.empty() && !flags.tcp && flags.listen_http.empty())
    return fail(ErrorKind::usage,
                "--proxy-protocol-from is for connections over TCP, which --no-tcp disables; give one of the "
                "two, or --listen-http");
  if (auto done = check_certificates(flags); !done) return done;
  if (auto done = check_client_certificates(flags); !done) return done;
  return check_proxy(flags);
}

std::string listener_id(const ServingFlags& flags, std::size_t index) {
  const net::SocketAddress& address = flags.listen[index];
  return address.port() != 0 ? address.to_string() : fmt::format("{}#{}", address.to_string(), index + 1);
}

Configuration make_configuration(const ServingFlags& flags, const Material& material) {
  Configuration made;
  for (std::size_t i = 0; i < flags.listen.size(); ++i) {
    const std::string id = listener_id(flags, i);
    made.listeners.push_back({.id = id,
                              .address = chosen(material, i, flags.listen[i]),
                              .quic = flags.quic,
                              .tcp = flags.tcp,
                              .alt_svc_port = flags.alt_svc_port,
                              .credentials = credentials_of(material, id)});
  }
  if (flags.tcp)
    for (Listener& listener : made.listeners) listener.proxy_protocol_from = flags.proxy_protocol_from;
  for (std::size_t i = 0; i < flags.listen_http.size(); ++i) {
    const net::SocketAddress& wanted = flags.listen_http[i];
    const std::string number = wanted.port() == 0 ? fmt::format("#{}", i + 1) : std::string();
    Listener listener{.id = fmt::format("http://{}{}", wanted.to_string(), number),
                      .address = chosen(material, flags.listen.size() + i, wanted),
                      .quic = false,
                      .clear = true,
                      .proxy_protocol_from = flags.proxy_protocol_from};
    if (flags.redirect_https)
      listener.redirect_to =
          *flags.redirect_https != 0 ? *flags.redirect_https : made.listeners.front().address.port();
    made.listeners.push_back(std::move(listener));
  }
  made.routes = flags.routes;
  made.trusted_proxies = flags.trusted_proxies;
  made.backend_trust = material.backend_trust;
  made.backend_certificate = material.backend_certificate;
  made.client_certificate_chain = flags.client_certificate_chain;
  if (!flags.files.empty())
    made.files = Files{.folder = flags.files, .etag = flags.etag, .opened = material.folder};
  if (!flags.masque.empty()) made.masque = make_masque(flags, material);
  made.quic.congestion_control = flags.congestion_control;
  made.retry = flags.retry;
  made.limits.idle_timeout = flags.idle_timeout;
  return made;
}

}  // namespace sallyport::config
