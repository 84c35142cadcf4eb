// CONNECT-UDP tunnels through one hop to a socket of this process, on one connection or on many, or sockets
// connected to a relay (bench/udp_relay.cpp) in their place: what bench/udp_traffic.h sends through.
#pragma once

#include "cli/client_options.h"
#include "dial/direct_dialer.h"
#include "dial/link.h"
#include "masque/udp_tunnel.h"
#include "net/udp_socket.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

namespace sallyport::bench {

class UdpTunnels {
 public:
  struct Options {
    std::size_t connections = 1, tunnels = 1;
    std::uint16_t target_port = 0;
    std::uint16_t relay_port = 0;  ///< 0: tunnels
  };
  /// `ready`: all are open. `failed`: one could not be opened, or ended.
  UdpTunnels(cli::ClientSession& session, const Options& options, std::function<void()> ready,
             std::function<void(const Error&)> failed);
  void start();
  std::size_t size() const { return paths_.size(); }
  net::DatagramPath& operator[](std::size_t index) { return *paths_[index]; }
  /// What their queues drop is theirs to choose from now on: for traffic that waits for nobody.
  void never_wait();

 private:
  void open_sockets();
  void open_next();
  void open_tunnels(std::size_t link);

  cli::ClientSession& session_;
  const Options options_;
  const std::function<void()> ready_;
  const std::function<void(const Error&)> failed_;
  std::size_t opened_ = 0;
  dial::DirectDialer dialer_;
  std::vector<std::unique_ptr<dial::Link>> links_;
  std::vector<std::unique_ptr<net::DatagramPath>> paths_;  // destroyed before the links under them
  std::vector<masque::UdpTunnel*> tunnels_;                // of the paths, those that are
};

}  // namespace sallyport::bench
