// Configuration: what a gateway serves, and how: listeners with their certificates, files, the proxy's
// policy. An immutable value. It is made whole, from flags (or, later, from Kubernetes objects), checked by
// validate(), and given to every worker by Worker::apply(), at the start and whenever something in it
// changed. What belongs to the process and not to what it serves (workers, logs, the admin port, secrets) is
// in gateway::Settings.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "config/etag_parts.h"
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
#include <string>
#include <vector>

namespace sallyport::config {

/// One address, for UDP and, mostly, TCP.
struct Listener {
  std::string id;  ///< the same in the next Configuration: its connections go on; "192.0.2.1:443"
  net::SocketAddress address;
  bool tcp = true;
  /// Where Alt-Svc says that HTTP/3 is, when not at this port: behind a balancer or a NAT. 0: here.
  std::uint16_t alt_svc_port = 0;
  std::shared_ptr<const tls::ServerCredentials> credentials;  ///< certificates by SNI

  bool operator==(const Listener& other) const;
};

struct Files {
  std::string folder;
  EtagParts etag = EtagParts::size_mtime_ctime;
  /// Another number: the path leads to another folder than before, or is to be opened again.
  std::uint64_t revision = 0;

  bool operator==(const Files&) const = default;
};

/// What the proxy does, and for whom.
struct Masque {
  masque::Protocols protocols;
  std::vector<net::IpPrefix> allow;         ///< targets reached although they are special or private
  std::vector<std::uint16_t> allow_ports;   ///< targets' ports reached although they are refused otherwise
  std::optional<net::SocketAddress> never;  ///< the admin port, which no prefix allows
  std::shared_ptr<const masque::TokenTable> tokens;  ///< who may use it; null: everybody
  bool open = false;                                 ///< "everybody" is meant, on any address
  std::size_t max_tunnels = 1024;                    ///< of one identity, or of one client address without
  Duration udp_idle = 120s, tcp_idle = 600s;

  bool operator==(const Masque& other) const;
};

struct Configuration {
  std::vector<Listener> listeners;
  std::optional<Files> files;    ///< nothing: no files are served
  std::optional<Masque> masque;  ///< nothing: no proxy
  quic::Config quic;             ///< of connections from now on; its idle_timeout is made from `limits`
  quic::RetryPolicy retry = quic::RetryPolicy::under_load;
  http::Limits limits;  ///< likewise

  bool operator==(const Configuration&) const = default;
};

/// What cannot be meant: nothing to serve, two listeners of one name or address, a listener without a
/// certificate, a proxy that strangers could use unawares. One sentence with the flag and the mend.
Result<> validate(const Configuration& configuration);

/// For people, one setting a line, without anything secret: of keys nothing, of tokens only how many.
std::string to_text(const Configuration& configuration);

}  // namespace sallyport::config
