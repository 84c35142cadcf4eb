// Tun: the work of `sallyport tun`: TUN devices whose packets travel through a chain of hops, of which the
// last one proxies IP (CONNECT-IP, RFC 9484), or UDP (CONNECT-UDP, RFC 9298). Opens the chain and what runs
// on its last hop's connection for each device (client/tun_link.h), and takes everything down at the end.
#pragma once

#include "client/tun_figures.h"
#include "dial/chain.h"
#include "masque/uri_template.h"
#include "net/event_loop.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::client {

/// Hears of what becomes of a Tun's devices; the figures are the device's at that moment. Destroys nothing.
class TunWatcher {
 public:
  /// The proxy answered 2xx.
  virtual void on_opened(const TunDeviceFigures& device) = 0;
  /// Its addresses are others now, perhaps none.
  virtual void on_addresses(const TunDeviceFigures& device) = 0;
  virtual void on_routes(const TunDeviceFigures& device) = 0;
  virtual void on_mtu(const TunDeviceFigures& device) = 0;

 protected:
  ~TunWatcher() = default;
};

/// What the last hop proxies, and so what of the packets reaches it.
enum class TunMode : std::uint8_t {
  ip,   ///< all of them
  udp,  ///< the payloads of UDP, in flows (UdpFlows)
};

struct TunOptions {
  static constexpr std::size_t max_devices = 256;

  TunMode mode = TunMode::ip;
  dial::ChainOptions chain;     ///< to the last hop, which is its origin
  masque::ProxyTemplate proxy;  ///< the last hop
  std::string token;            ///< for it; empty: none
  std::vector<net::IpPrefix> routes, excludes;
  std::vector<net::IpAddress> addresses;  ///< of the device, in mode udp; by udp_device_addresses()
  /// Its name; empty: the kernel's choice. Of several, the number is put behind it, or in the place of its
  /// "%d".
  std::string device;
  std::size_t devices = 1;                     ///< 1 to max_devices; 1 in mode udp
  std::size_t mtu = 0;                         ///< 0: what the path carries
  std::function<void(std::string_view)> note;  ///< gets sentences about what goes on
  TunWatcher* watcher = nullptr;               ///< not owned; may be null
};

class Tun {
 public:
  /// Called once: after stop(), or with why the tunnel could not be opened, or ended.
  using Done = std::function<void(Result<>)>;
  /// `context` and `loop` must outlive it.
  Tun(dial::Context& context, net::EventLoop& loop, TunOptions options, Done done);
  ~Tun();
  /// Makes the devices, then the connections.
  void start();
  /// Takes all of it down in order.
  void stop();
  /// At the end those of the moment before all was taken down. Costs a system call a device.
  TunFigures figures();
  /// Every device has an address.
  bool is_ready() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

/// The name of device `index` of `count`, as TunOptions::device says.
std::string tun_device_name(std::string_view name, std::size_t index, std::size_t count);

}  // namespace sallyport::client
