// Settings: everything a gateway is configured with. Filled from the command line; immutable once the gateway
// starts, and shared by its workers.
#pragma once

#include "base/time.h"
#include "files/entity_tag.h"
#include "gateway/access_format.h"
#include "net/address.h"
#include "quic/config.h"
#include "quic/endpoint.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::gateway {

struct Settings {
  std::vector<net::SocketAddress> listen;  ///< each for UDP and TCP; port 0 takes one that is free for both
  bool tcp = true;
  /// Where Alt-Svc says that HTTP/3 is, when not at the listener's own port: behind a balancer or a NAT. 0:
  /// there.
  std::uint16_t alt_svc_port = 0;

  // A certificate from files, or one made at the start for these names.
  std::string certificate_file, key_file;
  std::vector<std::string> self_signed;
  std::string
      write_certificate;  ///< where a self-signed certificate is put for clients to trust; may be empty

  bool masque_udp = false, masque_tcp = false;
  std::vector<net::IpPrefix> allow;        ///< targets reached although they are special or private
  std::vector<std::uint16_t> allow_ports;  ///< targets' ports reached although they are refused otherwise
  std::size_t max_tunnels = 1024;          ///< of one identity, or of one client address without
  std::string token_file;                  ///< who may use the proxy; empty: everybody
  bool open_proxy = false;                 ///< "everybody" is meant

  std::string files;                                           ///< folder to serve; empty: none
  files::EtagParts etag = files::EtagParts::size_mtime_ctime;  ///< of its larger files

  std::optional<net::SocketAddress> admin;
  std::string admin_socket;      ///< path of a Unix socket in place of `admin`; empty: none
  std::string admin_token_file;  ///< who may see its pages; empty: whoever gets there
  std::string qlog;              ///< folder; empty: no traces
  std::string key_log;           ///< file; empty: none
  std::string access_log;        ///< file, or "-" for standard output; empty: none
  AccessFormat access_format = AccessFormat::json;

  unsigned workers = 0;  ///< 0: one a core
  quic::CongestionControl congestion_control = quic::CongestionControl::cubic;
  quic::RetryPolicy retry = quic::RetryPolicy::under_load;
  Duration idle_timeout = 60s;  ///< of connections without requests, and of requests without progress
  Duration udp_tunnel_idle = 120s, tcp_tunnel_idle = 600s;
  Duration grace = 10s;
  std::string secret_file;  ///< empty: a random secret, so tickets and tokens end with the process
  std::uint16_t server_id = 0;
  std::string ready_file;  ///< gets one "ADDRESS:PORT" line a listener once all of them listen; empty: none
};

}  // namespace sallyport::gateway
