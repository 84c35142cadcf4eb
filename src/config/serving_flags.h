// ServingFlags: the parsed flags of `sallyport gateway` that define what is served, with files named but not
// yet read; and make a Configuration from them.
#pragma once

#include "config/configuration.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::config {

/// A certificate chain and its key, PEM.
struct CertificateFiles {
  std::string certificate, key;
  std::string listener;  ///< the ID of the only listener that uses it; empty: all listeners

  bool operator==(const CertificateFiles&) const = default;
};

/// Certificates of authorities, PEM, whose client certificates are taken.
struct ClientCaFile {
  std::string file;
  std::string listener;  ///< the ID of the only listener that uses it; empty: all that have none of their own

  bool operator==(const ClientCaFile&) const = default;
};

struct ServingFlags {
  std::vector<net::SocketAddress> listen;  ///< port 0 takes one that is free for UDP and TCP
  bool quic = true, tcp = true;
  std::vector<net::SocketAddress> listen_http;  ///< likewise, for TCP: HTTP/1.1 without TLS
  /// What comes there is redirected to https:// at this port; 0: the first of `listen`'s.
  std::optional<std::uint16_t> redirect_https;
  std::uint16_t alt_svc_port = 0;                  ///< 0: the listener's own
  std::vector<net::IpPrefix> proxy_protocol_from;  ///< load balancers, for all listeners with TCP

  // Certificates from files, or one made at the start for these names.
  std::vector<CertificateFiles> certificates;
  std::vector<std::string> self_signed;
  std::string
      write_certificate;  ///< output file of the self-signed certificate, for clients to trust; may be empty

  std::vector<ClientCaFile> client_ca;  ///< none: no client is asked for a certificate
  bool client_certificate_required = true;
  bool client_certificate_chain = false;  ///< backends get it, too, not the client's own certificate alone

  masque::Protocols masque;  ///< none: no proxy
  std::vector<net::IpPrefix> allow;
  std::vector<std::uint16_t> allow_ports;
  std::size_t max_tunnels = 1024;
  std::string token_file;  ///< accepted tokens; empty: no authentication
  bool open_proxy = false;
  Duration udp_tunnel_idle = 120s, tcp_tunnel_idle = 600s;

  std::vector<Route> routes;
  std::vector<net::IpPrefix> trusted_proxies;
  /// Offered to backends that ask for a certificate; both empty: none.
  std::string backend_certificate, backend_key;
  std::vector<std::string> backend_ca;  ///< files, PEM, that vouch for backends; none: the system's store

  std::string files;  ///< folder to serve; empty: none
  EtagParts etag = EtagParts::size_mtime_ctime;

  quic::CongestionControl congestion_control = quic::CongestionControl::cubic;
  quic::RetryPolicy retry = quic::RetryPolicy::under_load;
  Duration idle_timeout = 60s;  ///< of connections without requests, and of requests without progress
};

/// The content of the files named by the flags, and values known only at run time.
struct Material {
  /// By listener ID; those of "" are used by all other listeners.
  std::map<std::string, std::shared_ptr<const tls::ServerCredentials>> credentials;
  std::shared_ptr<const masque::TokenTable> tokens;  ///< null: no --token-file
  /// Of ServingFlags::listen and then of `listen_http`, with the chosen ports; empty: not yet chosen.
  std::vector<net::SocketAddress> addresses;
  std::optional<net::SocketAddress> admin;                             ///< the admin port
  std::shared_ptr<const files::ServedFolder> folder;                   ///< null: no --files
  std::shared_ptr<const tls::Trust> backend_trust;                     ///< null: no backend needs it
  std::shared_ptr<const tls::OfferedCertificate> backend_certificate;  ///< null: no --backend-cert
};

/// Whether there is a backend whose certificate has to be verified.
bool verifies_backends(const ServingFlags& flags);

/// Refuses flags that contradict each other, or that require another flag. Reads no files.
Result<> check_flags(const ServingFlags& flags);

/// The ID of the `index`-th listener, the same after every start with the same flags: its address, or its
/// index where the port is 0.
std::string listener_id(const ServingFlags& flags, std::size_t index);

/// A pure function. The result is not validated.
Configuration make_configuration(const ServingFlags& flags, const Material& material);

}  // namespace sallyport::config
