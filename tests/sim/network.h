// A deterministic network in one process: hosts with an access link each, datagrams that take time, get lost, reordered, corrupted,
// duplicated, marked or dropped for their size, and a clock that jumps from event to event. The same seed gives the same run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "base/random.h"
#include "net/datagram_path.h"
#include "net/outbound.h"
#include "net/timers.h"

namespace sallyport::sim {

/// A seeded Random; also the source of every dice roll of the network.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(MutableBytes out) override;
  /// Uniform in [0, 1).
  double unit();

 private:
  std::mt19937_64 engine_;
};

/// One direction of a host's access link.
struct LinkProfile {
  Duration delay = 5ms;
  Duration jitter{};                 ///< uniform in [0, jitter], keeping order
  double bits_per_second = 100e6;    ///< 0: unlimited
  std::size_t queue_bytes = 256 * 1024;
  double loss = 0, reorder = 0, corrupt = 0, duplicate = 0;  ///< probabilities a datagram
  Duration reorder_delay = 10ms;     ///< how much later a reordered datagram comes
  std::size_t mtu = 1500;            ///< IP; larger packets vanish (a black hole)
  std::size_t mark_above = 0;        ///< CE is set on ECT datagrams when this many bytes queue; 0: never
  bool down = false;                 ///< nothing passes
};

class Network;

/// A UDP socket in the network.
class Socket final : public net::DatagramPath {
 public:
  Socket(Network& network, class Host& host, net::SocketAddress local, net::SocketAddress remote, bool connected);
  ~Socket() override;
  void set_receiver(net::DatagramReceiver* receiver) override { receiver_ = receiver; }
  net::SendStatus send(const net::NetPath& to, const net::DatagramRun& run) override;
  std::size_t max_datagram_size() const override { return 65507; }
  net::NetPath net_path() const override { return {local_, remote_}; }
  /// What the world sees as this socket's address; a NAT may change it.
  const net::SocketAddress& mapped() const { return mapped_; }

 private:
  friend class Network;
  friend class Host;
  Network& network_;
  Host& host_;
  net::SocketAddress local_, remote_, mapped_;
  bool connected_;
  net::DatagramReceiver* receiver_ = nullptr;
};

struct HostCounters {
  std::uint64_t sent = 0, received = 0, lost = 0, too_large = 0, queue_full = 0, marked = 0;
};

/// A machine with one address, and the Outbound that its programs use.
class Host final : public net::Outbound, private net::Resolver {
 public:
  Host(Network& network, std::string name, net::IpAddress address);
  LinkProfile up, down;

  /// A server's socket.
  std::unique_ptr<Socket> listen(std::uint16_t port);
  /// From now on all sockets of this host are seen at other ports (NAT rebinding), or at another address.
  void rebind_ports();
  void move_to(const net::IpAddress& address);
  const net::IpAddress& address() const { return address_; }
  const std::string& name() const { return name_; }
  const HostCounters& counters() const { return counters_; }

  // net::Outbound
  net::Resolver& resolver() override { return *this; }
  Result<std::unique_ptr<net::DatagramPath>> open_udp(const net::SocketAddress& target) override;
  std::unique_ptr<net::TcpConnecting> open_tcp(const std::vector<net::SocketAddress>& targets, Duration timeout,
                                               net::TcpConnected connected) override;

 private:
  friend class Network;
  friend class Socket;
  std::unique_ptr<net::Resolution> resolve(const std::string& host, Answer answer) override;

  Network& network_;
  std::string name_;
  net::IpAddress address_;
  std::uint16_t next_port_ = 40000;
  std::vector<Socket*> sockets_;
  Time up_free_{}, down_free_{};  // when the link has sent what it queued
  HostCounters counters_;
};

class Network {
 public:
  explicit Network(std::uint64_t seed);
  ~Network();
  Host& add_host(const std::string& name);
  Host& host(const std::string& name);

  net::Timers& timers() { return timers_; }
  SeededRandom& random() { return random_; }
  Time now() const { return timers_.now(); }
  Time start() const { return start_; }
  std::uint64_t seed() const { return seed_; }

  /// Runs until `done` says true; false when `limit` of simulated time passed, or nothing is left to happen.
  bool run_until(const std::function<bool()>& done, Duration limit);
  void run_for(Duration span);
  /// At `when`, calls `action`.
  void at(Time when, std::function<void()> action);
  /// Sees, and may drop by returning false, every datagram as it is sent.
  void set_filter(std::function<bool(const net::NetPath&, Bytes)> filter) { filter_ = std::move(filter); }

 private:
  friend class Socket;
  friend class Host;
  struct Event {
    Time when;
    std::uint64_t order;
    std::function<void()> action;
    bool operator>(const Event& other) const { return when != other.when ? when > other.when : order > other.order; }
  };
  void transmit(Host& from, const net::NetPath& path, Bytes datagram, net::Ecn ecn);
  void arrive(net::NetPath path, std::vector<std::uint8_t> datagram, net::Ecn ecn);
  /// Passes one direction of a link; nullopt when the datagram does not come out. Else when it does.
  std::optional<Time> pass(const LinkProfile& link, Time& free, Time from, std::size_t bytes, net::Ecn& ecn,
                           HostCounters& counters, bool may_reorder);
  bool turn(Time limit);

  std::uint64_t seed_;
  SeededRandom random_;
  Time start_{std::chrono::hours(1)};
  net::Timers timers_{start_};
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  std::uint64_t order_ = 0;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::function<bool(const net::NetPath&, Bytes)> filter_;
};

}  // namespace sallyport::sim
