// to_text(): a Configuration for people.
#include "config/configuration.h"
#include "config/route_text.h"
#include "config/text_lines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sallyport::config {
namespace {

void write(TextLines& text, const Listener& listener) {
  text.line(0, "listener {}", listener.id);
  text.line(1, "address {} ({})", listener.address.to_string(), transports_of(listener));
  if (listener.redirect_to != 0) text.line(1, "redirects to https:// at port {}", listener.redirect_to);
  if (listener.alt_svc_port != 0) text.line(1, "Alt-Svc port {}", listener.alt_svc_port);
  for (const net::IpPrefix& prefix : listener.proxy_protocol_from)
    text.line(1, "PROXY protocol from {}", prefix.to_string());
  if (!listener.credentials) return;
  for (const std::string& certificate : listener.credentials->describe())
    text.line(1, "certificate {}", certificate);
  if (!listener.credentials->asks_clients()) return;
  text.line(1, "client certificates {}",
            listener.credentials->requires_client_certificate() ? "required" : "optional");
  for (const std::string& authority : listener.credentials->describe_client_authorities())
    text.line(1, "client CA {}", authority);
}

void write(TextLines& text, const Route& route) {
  text.line(0, "route {}", route.name());
  for (const Backend& backend : route.backends)
    text.line(1, "backend {}, weight {}", backend.to_string(), backend.weight);
  if (route.redirect) text.line(1, "redirect, status {}", route.redirect->status);
  if (route.response) text.line(1, "response of the gateway, status {}", route.response->status);
  for (const std::string& option : behaviour_options(route)) text.line(1, "{}", option);
}

void write(TextLines& text, const Files& files) {
  text.line(0, "files {}", files.folder);
  text.line(1, "ETag of larger files from {}",
            files.etag == EtagParts::size_mtime ? "size and mtime" : "size, mtime and ctime");
}

void write(TextLines& text, const Masque& masque) {
  std::vector<std::string_view> protocols;
  for (const auto protocol : masque::all_protocols)
    if (masque.protocols.contains(protocol)) protocols.push_back(to_string(protocol));
  text.line(0, "proxy {}", fmt::join(protocols, ","));
  if (masque.tokens)
    text.line(1, "for those with a bearer token; tokens: {}", masque.tokens->size());
  else
    text.line(1, "for everybody who can reach it");
  for (const net::IpPrefix& prefix : masque.allow) text.line(1, "allow {}", prefix.to_string());
  for (const std::uint16_t port : masque.allow_ports) text.line(1, "allow port {}", port);
  if (masque.never) text.line(1, "never {}", masque.never->to_string());
  text.line(1, "tunnels of one client {}", masque.max_tunnels);
  text.line(1, "idle timeout of UDP tunnels {:g} s, of TCP tunnels {:g} s", in_seconds(masque.udp_idle),
            in_seconds(masque.tcp_idle));
}

}  // namespace

std::string_view transports_of(const Listener& listener) {
  if (listener.clear) return "TCP, without TLS";
  return listener.quic && listener.tcp ? "UDP and TCP" : listener.quic ? "UDP" : "TCP";
}

std::string to_text(const Configuration& configuration) {
  TextLines text;
  for (const Listener& listener : configuration.listeners) write(text, listener);
  for (const Route& route : configuration.routes) write(text, route);
  for (const net::IpPrefix& prefix : configuration.trusted_proxies)
    text.line(0, "forwarded fields are believed of {}", prefix.to_string());
  if (configuration.backend_certificate)
    text.line(0, "certificate for backends {}", configuration.backend_certificate->describe());
  if (configuration.files) write(text, *configuration.files);
  if (configuration.masque) write(text, *configuration.masque);
  text.line(0, "congestion control {}, Retry {}, idle timeout {:g} s",
            to_string(configuration.quic.congestion_control), to_string(configuration.retry),
            in_seconds(configuration.limits.idle_timeout));
  return text.take();
}

}  // namespace sallyport::config
