// ServingFlags: what the command line of `sallyport gateway` says of what is served, its texts parsed, its
// files named and not yet read; and how a Configuration is made of it.
#pragma once

#include "config/configuration.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::config {

/// A certificate chain and its key, PEM.
struct CertificateFiles {
  std::string certificate, key;
  std::string listener;  ///< the ID of the one listener that shows it; empty: all do

  bool operator==(const CertificateFiles&) const = default;
};

struct ServingFlags {
  std::vector<net::SocketAddress> listen;  ///< port 0 takes one that is free for UDP and TCP
  bool tcp = true;
  std::uint16_t alt_svc_port = 0;  ///< 0: the listener's own

  // Certificates from files, or one made at the start for these names.
  std::vector<CertificateFiles> certificates;
  std::vector<std::string> self_signed;
  std::string write_certificate;  ///< where the self-signed one is put for clients to trust; may be empty

  masque::Protocols masque;  ///< none: no proxy
  std::vector<net::IpPrefix> allow;
  std::vector<std::uint16_t> allow_ports;
  std::size_t max_tunnels = 1024;
  std::string token_file;  ///< who may use the proxy; empty: everybody
  bool open_proxy = false;
  Duration udp_tunnel_idle = 120s, tcp_tunnel_idle = 600s;

  std::string files;  ///< folder to serve; empty: none
  EtagParts etag = EtagParts::size_mtime_ctime;

  quic::CongestionControl congestion_control = quic::CongestionControl::cubic;
  quic::RetryPolicy retry = quic::RetryPolicy::under_load;
  Duration idle_timeout = 60s;  ///< of connections without requests, and of requests without progress
};

/// What was read from the files that the flags name, and what is known only once the process runs.
struct Material {
  /// By the ID of the listener that shows them; those of "" are shown by all others.
  std::map<std::string, std::shared_ptr<const tls::ServerCredentials>> credentials;
  std::shared_ptr<const masque::TokenTable> tokens;  ///< null: no --token-file
  std::vector<net::SocketAddress> addresses;         ///< of ServingFlags::listen, with the ports that were
                                                     ///< chosen; empty: not yet
  std::optional<net::SocketAddress> admin;           ///< where the operator is served
  std::uint64_t files_revision = 0;
};

/// Flags that contradict each other, or that another one would have to go with. Reads nothing.
Result<> check_flags(const ServingFlags& flags);

/// The ID of the `index`-th listener, the same after every start by the same flags: its address, and its
/// number where the port is 0.
std::string listener_id(const ServingFlags& flags, std::size_t index);

/// Pure: the same from the same. The result is not validated.
Configuration make_configuration(const ServingFlags& flags, const Material& material);

}  // namespace sallyport::config
