// IpSwitch: takes IP packets from where they came to where they go (RFC 9484 §7): between the tunnels of a
// worker's clients and the gateway's TUN device, and between two tunnels where that is allowed. It is the
// router: it looks for the longest prefix that contains a destination, asks the policy, and answers with ICMP
// errors. What a tunnel may carry is the tunnel's own to check. One a worker; owned by it.
#pragma once

#include "masque/icmp_answers.h"
#include "masque/ip_tunnel_figures.h"
#include "masque/policy.h"
#include "masque/prefix_table.h"
#include "net/coalesce.h"
#include "net/packet_port.h"
#include "net/timers.h"

#include <array>
#include <cstdint>
#include <expected>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

namespace sallyport::masque {

/// Why packets were dropped, each counted by itself.
enum class IpDrop : std::uint8_t {
  invalid,    ///< no IP packet, or one that could not be cut
  source,     ///< a source address that the sender does not have
  scope,      ///< outside of what the request was for, or of the advertised routes
  policy,     ///< a destination that the policy forbids
  hop_limit,  ///< TTL or hop limit used up
  no_tunnel,  ///< from the device, to an address that no client has
  too_large,  ///< more than the tunnel carries; answered with Packet Too Big
  queue,      ///< the queue of the client's connection was full
  sojourn,    ///< had waited there for too long
  device,     ///< the TUN device did not take it
};
inline constexpr std::size_t ip_drops = 10;

/// "hop_limit", "no_tunnel" ...: as metrics have it.
std::string_view to_string(IpDrop why);

struct IpCounters {
  std::uint64_t packets_up = 0, bytes_up = 0;      ///< out of tunnels, to the device or to another tunnel
  std::uint64_t packets_down = 0, bytes_down = 0;  ///< into tunnels
  std::array<std::uint64_t, ip_drops> dropped{};
  std::uint64_t icmp_sent = 0, icmp_suppressed = 0;

  void drop(IpDrop why, std::uint64_t count = 1) { dropped[static_cast<std::size_t>(why)] += count; }
};

/// A packet went on, or was dropped without a word, or is to be answered.
using Forwarded = std::expected<void, IpRejection>;

/// A tunnel, as the switch knows it.
class IpPeer {
 public:
  /// Into the tunnel. `parsed`: of `packet`, whose bytes may be changed unless the answer is a rejection.
  virtual Forwarded deliver(const net::Packet& packet, const net::IpPacket& parsed) = 0;
  /// The tunnel is to end.
  virtual void end(const Error& why) = 0;
  virtual IpTunnelFigures figures() const = 0;

 protected:
  ~IpPeer() = default;

 private:
  friend class IpSwitch;
  IcmpLimit limit_;  // of errors about what comes out of the tunnel
};

/// The switches of a gateway's other workers.
class IpElsewhere {
 public:
  /// `prefix` leads to a tunnel of this switch now, or no more: the others are to be told, by note().
  virtual void tell(const net::IpPrefix& prefix, bool here) = 0;
  /// To the switch of this worker, which take()s it. What it cannot take is dropped and counted there.
  virtual void hand_over(unsigned worker, const net::Packet& packet) = 0;

 protected:
  ~IpElsewhere() = default;
};

struct IpSwitchOptions {
  TargetPolicy policy;  ///< which destinations behind the device may be reached; their ports, too
  bool between_clients = false;
  /// The gateway's own addresses, which errors come from. Not those in IPv4 packets into the device: to the
  /// kernel there a packet from an address of its own is a martian.
  std::optional<net::IpAddress> own_v4, own_v6;
};

class IpSwitch final : net::PacketReceiver {
 public:
  /// `device` is not owned and must outlive the switch. `coalesce`: which packets the device takes joined.
  IpSwitch(net::Timers& timers, net::PacketPort& device, IpSwitchOptions options,
           const net::CoalescerOptions& coalesce);
  ~IpSwitch();

  /// `others` is not owned and must outlive the switch. Before the first add().
  void set_elsewhere(IpElsewhere& others) { elsewhere_ = &others; }
  /// A tunnel of another worker has this prefix, or no more.
  void note(const net::IpPrefix& prefix, unsigned worker, bool there);
  /// A packet that another worker handed over: for a tunnel of ours, or, where that ended meanwhile, nobody.
  void take(net::Packet& packet);

  /// `prefix` leads to `peer` from now on, which is sure to be alone in having it: it is a lease of the pool,
  /// or claimed (ClientNetworks). `peer` must call remove() before it goes.
  void add(const net::IpPrefix& prefix, IpPeer& peer);
  void remove(const net::IpPrefix& prefix);

  /// A packet out of `from`'s tunnel, which has checked its source and scope. Its bytes are changed. What has
  /// to be answered is, through `from`. One to another tunnel has its TTL or hop limit decremented here; one
  /// into the device by the kernel, when it forwards it: the two are one router.
  void forward(IpPeer& from, MutableBytes bytes, const net::IpPacket& parsed);
  /// Answers a packet that came out of `to`'s tunnel, and cannot go on, where that is allowed.
  void answer(IpPeer& to, const IpRejection& rejection, Bytes bytes, const net::IpPacket& parsed);

  /// Why there is no device any more; null: there is.
  const Error* lost() const { return lost_ ? &*lost_ : nullptr; }
  /// A tunnel that is open, and one that is no more.
  void join(IpPeer& peer) { tunnels_.insert(&peer); }
  void leave(IpPeer& peer) { tunnels_.erase(&peer); }

  /// The tunnels that are open, in no order.
  std::vector<IpTunnelFigures> tunnels() const;
  /// Ends the tunnel that was assigned `address`, or has announced it as a network. False: none here has.
  bool end_tunnel(const net::IpAddress& address, const Error& why);

  IpCounters& counters() { return counters_; }
  /// With what is not counted there.
  IpCounters figures() const;
  void set_options(IpSwitchOptions options);

 private:
  void on_packets(std::span<net::Packet> packets, Time now) override;
  void on_port_closed(const Error& why) override;

  /// Where a prefix leads: to a tunnel of ours, or to another worker's.
  struct Way {
    IpPeer* peer = nullptr;  // null: the other worker's
    unsigned worker = 0;
  };

  bool may_reach(const net::IpPacket& parsed);
  void to_device(const net::Packet& packet);
  /// On the way down, from the device or another worker. `may_leave`: it may be handed over.
  void send_down(const net::Packet& packet, bool may_leave);

  // Asking the policy takes system calls. An address that is asked for again within a second has the answer
  // that it had.
  struct Verdict {
    net::IpAddress address;
    Time until{};
    bool allowed = false;
  };
  static constexpr std::size_t verdicts = 256;

  net::Timers& timers_;
  net::PacketPort& device_;
  IpSwitchOptions options_;
  IpElsewhere* elsewhere_ = nullptr;
  PrefixTable<Way> ways_;
  std::set<IpPeer*> tunnels_;
  std::optional<Error> lost_;
  IcmpLimit limit_;                       // of errors about what comes from the device
  IcmpAnswers answers_, device_answers_;  // into tunnels, and into the device
  IpCounters counters_;
  std::vector<Verdict> verdicts_;
  net::Coalescer coalescer_;
  net::Deferred flush_;
};

}  // namespace sallyport::masque
