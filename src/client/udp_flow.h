// UdpFlow: one CONNECT-UDP flow (RFC 9298) of `sallyport tun --mode udp`, for one pair of addresses: from its
// first packet, which waits for a connection, to its end; and, where it was refused, the refusal that holds
// for a while. Owned by UdpFlows.
#pragma once

#include "client/udp_payload.h"
#include "masque/udp_tunnel.h"
#include "net/icmp_error.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace sallyport::client {

class UdpFlow final : net::DatagramReceiver {
 public:
  class Owner {
   public:
    virtual void on_flow_payload(UdpFlow& flow, Bytes payload, Time now) = 0;
    /// The proxy answered 2xx.
    virtual void on_flow_open(UdpFlow& flow) = 0;
    /// After a send() that said `blocked`.
    virtual void on_flow_writable(UdpFlow& flow, Time now) = 0;
    virtual void on_flow_size() = 0;  ///< max_payload() has changed
    /// The proxy refused it, or it ended. May refuse() or destroy it.
    virtual void on_flow_closed(UdpFlow& flow, const Error& why) = 0;

   protected:
    ~Owner() = default;
  };

  /// What it keeps while there is no connection for it, at most; but the first packet always.
  static constexpr std::size_t max_waiting_bytes = 64 * 1024, max_waiting = 64;

  /// `first`: the packet that it is for, of which `parsed` tells.
  UdpFlow(Owner& owner, const net::IpPacket& parsed, Bytes first);
  ~UdpFlow();
  UdpFlow(const UdpFlow&) = delete;
  UdpFlow& operator=(const UdpFlow&) = delete;

  /// Asks for the tunnel, and sends what waited. `connection` must outlive this, or end the tunnel before.
  void ask(http::Connection& connection, const masque::ProxyTemplate& proxy, const http::Fields& fields);
  /// As DatagramPath::send(). `blocked` only where the tunnel is open: before, what cannot be kept is
  /// dropped.
  net::SendStatus send(const net::DatagramRun& run);
  /// Ends the tunnel, if there is one; nothing is sent until the owner destroys this.
  void refuse(net::IcmpError why);

  const AddressPair& pair() const { return pair_; }
  bool is_waiting() const { return !tunnel_ && !refusal_; }
  bool is_open() const { return tunnel_ && open_; }
  bool is_blocked() const { return blocked_; }
  /// Inside on_flow_closed(): the connection goes on, so it is this flow that ended.
  bool has_connection() const { return connection_ != nullptr && connection_->can_request(); }
  /// The proxy has answered, whatever it said. Also inside on_flow_closed().
  bool was_answered() const { return tunnel_ && tunnel_->was_answered(); }
  /// Datagrams that were taken, and waited for too long in the connection's queue.
  std::uint64_t dropped_sojourn() const { return tunnel_ ? tunnel_->counters().dropped_sojourn : 0; }
  /// Datagrams that wait for a connection.
  std::size_t waiting() const;
  const std::optional<net::IcmpError>& refusal() const { return refusal_; }
  /// The largest payload that it carries now; nullopt where that is not known yet.
  std::optional<std::size_t> max_payload() const;
  /// The start of its first packet, for an ICMP error about it, and what `parsed` would be of that.
  Bytes quote() const { return Bytes(quote_).first(quoted_.total_length); }
  const net::IpPacket& quoted() const { return quoted_; }

  /// Kept by the owner: when something passed last, either way; before it is open, when it was begun; where
  /// it is refused, since when.
  Time last_used{};

 private:
  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time now) override;
  void on_path_writable(Time now) override;
  void on_max_datagram_size(std::size_t bytes) override;

  struct Waiting {
    std::vector<std::uint8_t> bytes;
    std::size_t segment_size = 0;
  };

  Owner& owner_;
  const AddressPair pair_;
  net::IpPacket quoted_;
  std::array<std::uint8_t, 128> quote_{};
  http::Connection* connection_ = nullptr;  // of the tunnel
  std::unique_ptr<masque::UdpTunnel> tunnel_;
  std::vector<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::optional<net::IcmpError> refusal_;
  bool open_ = false;
  bool stuck_ = false;    // the tunnel takes no more
  bool blocked_ = false;  // and that was said
};

}  // namespace sallyport::client
