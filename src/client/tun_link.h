// TunLink: one TUN device of `sallyport tun` and what its packets travel through, a CONNECT-IP tunnel
// (RFC 9484) or CONNECT-UDP flows (RFC 9298): gives the device addresses and routes, those that the proxy
// gives, and keeps up with what it changes.
// Owned by Tun, which has one for each device.
#pragma once

#include "client/packet_relay.h"
#include "client/tun_figures.h"
#include "client/tun_network.h"
#include "client/udp_flows.h"
#include "masque/ip_tunnel.h"
#include "masque/uri_template.h"
#include "net/event_loop.h"
#include "net/tun_device.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::client {

struct TunLinkOptions {
  std::string device;  ///< its name; empty: the kernel's choice
  std::vector<net::IpPrefix> routes, excludes;
  std::size_t mtu = 0;  ///< 0: what the path carries
  /// Of the first device: packets of who is bound to no device go into it.
  bool of_everybody = true;
  bool is_one_of_several = false;
};

/// None may destroy the link.
struct TunLinkEvents {
  std::function<void()> opened;             ///< the proxy answered 2xx
  std::function<void()> addresses, routes;  ///< figures() has others now
  std::function<void()> mtu;                ///< the device's was changed
  std::function<void(std::string_view)> note;
  /// The device is gone, or the tunnel was refused or ended. `of_hop`: it is about the last hop.
  std::function<void(const Error& why, bool of_hop)> ended;
};

class TunLink {
 public:
  /// Makes the device, which is up and has neither addresses nor routes. `loop` must outlive the link.
  static Result<std::unique_ptr<TunLink>> make(net::EventLoop& loop, TunLinkOptions options,
                                               TunLinkEvents events);
  /// Takes all of it down.
  ~TunLink();

  const std::string& device() const { return device_.name(); }
  const std::vector<net::IpAddress>& addresses() const { return addresses_; }
  TunNetwork& network() { return *network_; }
  /// Requests the tunnel on `connection`, which must outlive the link. `fields`: of the request.
  Result<> open(http::Connection& connection, const masque::ProxyTemplate& proxy, const http::Fields& fields);
  /// Instead: flows, which `options` make connections for, as `connection` is. `failed` of the options is
  /// set here. The device gets `addresses`, and routes to everywhere.
  Result<> open_flows(const http::Connection& connection, UdpFlowsOptions options,
                      const std::vector<net::IpAddress>& addresses);
  TunDeviceFigures figures();

 private:
  TunLink(net::EventLoop& loop, TunLinkOptions options, TunLinkEvents events, net::TunDevice device,
          net::Rtnetlink netlink);
  Result<> set_up(net::EventLoop& loop);
  /// `port`, which outlives the relay's use of it, is where the device's packets go.
  void join(net::PacketPort& port);
  void on_assigned(const std::vector<masque::AssignedAddress>& all);
  void apply_routes();
  void follow_path();
  void check_path();
  void on_device_mtu(std::size_t mtu);
  void end(const Error& why, bool of_hop);
  std::vector<TunDrop> drops();

  const TunLinkOptions options_;
  const TunLinkEvents events_;
  net::Timers& timers_;
  net::TunDevice device_;
  net::Rtnetlink netlink_;
  std::size_t mtu_;             // of the device, as we set it last
  bool mtu_is_theirs_ = false;  // an administrator set it
  bool opened_ = false, was_assigned_ = false, ended_ = false;
  std::vector<masque::IpRange> advertised_;
  std::vector<net::IpAddress> addresses_;
  std::vector<net::IpPrefix> routes_;  // that were told of
  // Those below refer to those above them.
  std::unique_ptr<net::TunQueue> queue_;
  std::unique_ptr<TunNetwork> network_;
  std::optional<PacketRelay> relay_;
  std::unique_ptr<masque::IpTunnel> tunnel_;
  std::unique_ptr<UdpFlows> flows_;  // in its place
  net::PacketPort* port_ = nullptr;  // either, once it is there
  net::Timer mtu_deadline_;          // until then the path's size may not be found
};

}  // namespace sallyport::client
