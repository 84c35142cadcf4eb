// A deterministic network in one process: hosts with an access link each, joined by a core that is never in
// the way, and a clock that jumps from event to event. The same seed gives the same run: the same packets,
// of the same sizes, at the same times.
#pragma once

#include "base/random.h"
#include "host.h"
#include "net/timers.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::sim {

/// Owns its hosts; sockets and whoever uses the timers go before it.
class Network {
 public:
  explicit Network(std::uint64_t seed);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// The N-th host has address 203.0.113.N (RFC 5737), or 2001:db8::N (RFC 3849). Its name is known to all.
  Host& add_host(const std::string& name);
  Host& add_v6_host(const std::string& name);
  /// Null where there is none of that name.
  Host* find(const std::string& name) const;
  /// An address that no host has.
  net::IpAddress free_address();

  net::Timers& timers() { return timers_; }
  /// For the endpoints' connection IDs and the like.
  SeededRandom& random() { return random_; }
  Dice& dice() { return dice_; }
  Time now() const { return timers_.now(); }
  Time start() const { return start_; }
  Duration elapsed() const { return now() - start_; }

  /// Runs until `done` says true; false when `limit` of simulated time passed before.
  bool run_until(const std::function<bool()>& done, Duration limit);
  void run_for(Duration span);
  /// Calls `action` when `span` has passed.
  void after(Duration span, std::function<void()> action);
  /// Sees every packet, UDP's and TCP's, as it is sent; false drops it.
  void set_filter(std::function<bool(const Packet&)> filter) { filter_ = std::move(filter); }

 private:
  friend class Socket;
  friend class Host;
  friend class TcpHost;
  struct Event {
    Time when;
    std::uint64_t order;  // of events at the same time: first come, first served
    std::function<void()> action;
  };
  static bool is_later(const Event& one, const Event& other) {
    return one.when != other.when ? one.when > other.when : one.order > other.order;
  }

  void at(Time when, std::function<void()> action);
  Host& add_host(const std::string& name, const net::IpAddress& address);
  Host* find(const net::IpAddress& address) const;
  void transmit(Host& from, const Packet& packet);
  void arrive(Packet packet);
  void report_closed_port(Host& by, const net::NetPath& path);
  bool turn(Time limit);

  Time start_{std::chrono::hours(1)};
  net::Timers timers_{start_};
  SeededRandom random_;
  Dice dice_;
  std::vector<Event> events_;  // a heap, the next one first
  std::uint64_t order_ = 0;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::uint8_t last_number_ = 0;
  std::vector<Socket*> readable_;  // something arrived in this turn
  std::function<bool(const Packet&)> filter_;
};

}  // namespace sallyport::sim
