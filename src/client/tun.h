// Tun: the work of `sallyport tun`: a TUN device whose packets travel through a chain of hops, of which the
// last one proxies IP (CONNECT-IP, RFC 9484). Brings the device up with the addresses and routes that the
// proxy gives, keeps up with what it changes, and takes everything down at the end.
#pragma once

#include "client/packet_relay.h"
#include "dial/chain.h"
#include "masque/uri_template.h"
#include "net/event_loop.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::client {

struct TunOptions {
  dial::ChainOptions chain;     ///< to the last hop, which is its origin
  masque::ProxyTemplate proxy;  ///< the last hop
  std::string token;            ///< for it; empty: none
  std::vector<net::IpPrefix> routes, excludes;
  std::string device;                          ///< its name; empty: the kernel's choice
  std::size_t mtu = 0;                         ///< 0: what the path carries
  std::function<void(std::string_view)> note;  ///< gets sentences about what goes on
};

class Tun {
 public:
  /// Called once: after stop(), or with why the tunnel could not be opened, or ended.
  using Done = std::function<void(Result<>)>;
  /// `context` and `loop` must outlive it.
  Tun(dial::Context& context, net::EventLoop& loop, TunOptions options, Done done);
  ~Tun();
  /// Makes the device, then the connections.
  void start();
  /// Takes all of it down in order.
  void stop();
  PacketRelayCounters counters() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::client
