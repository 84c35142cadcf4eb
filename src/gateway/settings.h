// Settings: all flags of `sallyport gateway`: what it serves (config::ServingFlags) and the settings of its
// process. Immutable after the start.
#pragma once

#include "config/serving_flags.h"
#include "gateway/access_format.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::gateway {

/// Of CONNECT-IP.
struct IpSettings {
  std::vector<net::IpPrefix> pool;             ///< addresses of clients
  std::vector<net::IpPrefix> routes;           ///< that are advertised; none: everything
  std::vector<net::IpPrefix> client_networks;  ///< that clients may announce
  bool between_clients = false;
  bool nat = false;    ///< what leaves the machine has its address, see IpNat
  std::string device;  ///< name of the TUN device; empty: the kernel's choice
};

struct Settings : config::ServingFlags {
  std::optional<net::SocketAddress> admin;
  std::string admin_socket;      ///< path of a Unix socket instead of `admin`; empty: none
  std::string admin_token_file;  ///< tokens for the admin pages; empty: no authentication
  std::string qlog;              ///< folder; empty: no traces
  std::string key_log;           ///< file; empty: none
  std::string access_log;        ///< file, or "-" for standard output; empty: none
  AccessFormat access_format = AccessFormat::json;

  IpSettings ip;

  std::string user;      ///< NAME[:GROUP], as whom it goes on once it listens; empty: as who started it
  unsigned workers = 0;  ///< 0: one a core
  Duration grace = 10s;
  std::string secret_file;  ///< empty: a random secret, so tickets and tokens end with the process
  std::uint16_t server_id = 0;
  std::string ready_file;  ///< path, see ReadyFile; empty: none
};

}  // namespace sallyport::gateway
