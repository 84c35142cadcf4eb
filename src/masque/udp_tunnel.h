// UdpTunnel: a client's CONNECT-UDP flow (RFC 9298) as a DatagramPath: what is sent leaves as HTTP datagrams,
// context ID 0, of an exchange on the hop's connection. Usable before the proxy answered: an inner handshake
// starts behind the request.
#pragma once

#include "http/connection.h"
#include "masque/proxy_status.h"
#include "masque/uri_template.h"
#include "net/datagram_path.h"

#include <functional>
#include <memory>

namespace sallyport::masque {

struct TunnelEvents {
  /// The proxy answered 2xx. `next_hop` from its Proxy-Status, or empty.
  std::function<void(const std::string& next_hop)> opened;
  /// The proxy refused, or the tunnel ended. Said once; then the receiver gets on_path_closed as well.
  std::function<void(const Error& why)> closed;
};

struct TunnelCounters {
  std::uint64_t datagrams_in = 0, datagrams_out = 0, bytes_in = 0, bytes_out = 0;
  std::uint64_t dropped_context = 0, dropped_size = 0, dropped_queue = 0;
  std::uint64_t dropped_sojourn = 0;  ///< taken, and dropped by http::WhenFull::drop
  /// Bytes in front of these payloads in their DATAGRAM frames: quarter stream ID and context ID, and with
  /// CONNECT-IP the IP and UDP headers, which `headers_...` are by themselves. 0 where they go as capsules.
  std::uint64_t heads_in = 0, heads_out = 0;
  std::uint64_t headers_in = 0, headers_out = 0;
  std::uint64_t dropped_packets = 0;  ///< in CONNECT-IP: came, and were no UDP packets of this flow
};

class UdpTunnel final : public net::DatagramPath {
 public:
  /// Requests the tunnel on `connection` (not owned, must outlive this).
  UdpTunnel(http::Connection& connection, const ProxyTemplate& proxy, const Target& target,
            const http::Fields& extra_fields, TunnelEvents events);
  ~UdpTunnel() override;  ///< ends the exchange

  void set_receiver(net::DatagramReceiver* receiver) override;
  net::SendStatus send(const net::NetPath& to, const net::DatagramRun& run) override;
  std::size_t max_datagram_size() const override;
  net::NetPath net_path() const override;
  /// What becomes of datagrams when the queue below is full; `refuse`, send() says `blocked`, until this is
  /// called.
  void set_when_full(http::WhenFull what);
  /// The proxy has answered, whatever it said. Also inside `closed`.
  bool was_answered() const;
  TunnelCounters counters() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::masque
