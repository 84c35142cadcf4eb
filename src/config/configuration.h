// Configuration: what a gateway serves: listeners with their certificates, files, the proxy's policy. An
// immutable value, made from flags (or, later, from Kubernetes objects), checked by validate(), and given to
// every worker by Worker::apply(), at the start and after every change. Settings of the process (workers,
// logs, the admin port, secrets) are in gateway::Settings.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "config/etag_parts.h"
#include "config/route.h"
#include "http/limits.h"
#include "masque/policy.h"
#include "masque/protocol.h"
#include "masque/token_table.h"
#include "net/address.h"
#include "quic/config.h"
#include "quic/endpoint.h"
#include "tls/credentials.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::files {
class ServedFolder;
}

namespace sallyport::config {

/// One address, for UDP and TCP, or for one of them.
struct Listener {
  std::string id;  ///< "192.0.2.1:443"; no other has it
  /// A listener with the same address in the next Configuration goes on, with its connections. (Port 0: one
  /// with the same ID, too.)
  net::SocketAddress address;
  bool quic = true;  ///< HTTP/3
  bool tcp = true;
  bool clear = false;  ///< HTTP/1.1 without TLS, and so without QUIC; no proxy
  /// Clear: every request is redirected to https:// at this port; 0: it is served.
  std::uint16_t redirect_to = 0;
  /// The port in Alt-Svc, where it differs from this port: behind a load balancer or a NAT. 0: this port.
  std::uint16_t alt_svc_port = 0;
  /// A TCP connection from there begins with a PROXY header, which names the client.
  std::vector<net::IpPrefix> proxy_protocol_from;
  /// Certificates by SNI, and the client certificates that are asked for; clear: null.
  std::shared_ptr<const tls::ServerCredentials> credentials;

  bool operator==(const Listener& other) const;
};

struct Files {
  std::string folder;
  EtagParts etag = EtagParts::size_mtime_ctime;
  /// `folder` as it was opened; another one when the path leads elsewhere. Opened where waiting for a disk
  /// holds up nobody, and only passed on here.
  std::shared_ptr<const files::ServedFolder> opened;

  bool operator==(const Files&) const = default;
};

/// The proxy's protocols and policy.
struct Masque {
  masque::Protocols protocols;
  std::vector<net::IpPrefix> allow;                  ///< special and private addresses allowed as targets
  std::vector<std::uint16_t> allow_ports;            ///< target ports allowed that are refused by default
  std::optional<net::SocketAddress> never;           ///< the admin port: never a target
  std::shared_ptr<const masque::TokenTable> tokens;  ///< accepted tokens; null: no authentication
  bool open = false;                                 ///< no authentication is intended, on any address
  std::size_t max_tunnels = 1024;  ///< of one identity, or of one client address without an identity
  Duration udp_idle = 120s, tcp_idle = 600s;

  bool operator==(const Masque& other) const;
};

struct Configuration {
  std::vector<Listener> listeners;
  std::vector<Route> routes;  ///< of the reverse proxy
  /// Proxies in front of this gateway, whose X-Forwarded-*, Forwarded and X-Request-ID are believed.
  std::vector<net::IpPrefix> trusted_proxies;
  /// Verifies https:// and h3:// backends; null where there are none.
  std::shared_ptr<const tls::Trust> backend_trust;
  /// Offered to those that ask for one; null: none.
  std::shared_ptr<const tls::OfferedCertificate> backend_certificate;
  /// Backends get the client's whole chain (RFC 9440 §2.3), not its own certificate alone.
  bool client_certificate_chain = false;
  std::optional<Files> files;    ///< nullopt: no files are served; for requests that no route takes
  std::optional<Masque> masque;  ///< nullopt: no proxy
  quic::Config quic;             ///< of new connections; its idle_timeout is derived from `limits`
  quic::RetryPolicy retry = quic::RetryPolicy::under_load;
  http::Limits limits;  ///< likewise

  bool operator==(const Configuration&) const = default;
};

/// An error where one of `listen` has the address and port that `flag` names, or one of the two is a wildcard
/// that contains the other. For ports of the same transport.
Result<> check_named_once(std::string_view flag, const net::SocketAddress& address,
                          std::span<const net::SocketAddress> listen);

/// The error where there is nothing to serve.
inline constexpr std::string_view nothing_to_do =
    "there is nothing to do; give --files DIR, --route HOST=URL, --masque udp,tcp, or several of them";

/// Refuses contradictions: nothing to serve, two routes for the same requests, two listeners with one name or
/// that check_named_once() refuses, a listener without a certificate, an unintended open proxy. The error is
/// one sentence with the flag and the remedy.
Result<> validate(const Configuration& configuration);

/// "UDP and TCP": what a listener listens on, for people.
std::string_view transports_of(const Listener& listener);

/// For people, one setting on each line, without secrets: no keys, and only the number of tokens.
std::string to_text(const Configuration& configuration);

}  // namespace sallyport::config
