// Datagrams through tunnels: up (into the tunnels, to a socket), down (from the socket, out of the tunnels),
// or there and back one at a time.
#pragma once

#include "client/latency_histogram.h"
#include "udp_tunnels.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace sallyport::bench {

enum class Direction : std::uint8_t { up, down, ping };

struct TrafficOptions {
  Direction direction = Direction::up;
  std::size_t size = 1200;  ///< of each datagram
  std::size_t burst = 1;    ///< datagrams in one send, at most, to one tunnel
  Duration length = 1s;     ///< of one trial
};

/// Of one trial.
struct TrafficFigures {
  std::uint64_t sent = 0, received = 0;
  client::LatencyHistogram round_trips;  ///< of ping
  double loss() const {
    return sent == 0 ? 1 : 1 - static_cast<double>(received) / static_cast<double>(sent);
  }
};

class UdpTraffic final : net::DatagramReceiver {
 public:
  /// `target` is what the tunnels lead to.
  UdpTraffic(net::EventLoop& loop, UdpTunnels& tunnels, net::UdpSocket& target,
             const TrafficOptions& options);
  ~UdpTraffic();
  /// Learns where the hop sends from, one datagram through each tunnel; needed before anything goes down.
  void greet(std::function<void()> done);
  /// `a_second`: datagrams in all tunnels together; nothing for ping. One trial at a time.
  void run(double a_second, std::function<void(const TrafficFigures&)> done);
  /// From now on the last tunnel is kept full of datagrams towards the target, and trials use the others.
  void flood();
  std::uint64_t offered() const { return offered_; }  ///< in all trials so far

 private:
  struct End;  // of a tunnel

  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time now) override;
  void came_down(const net::DatagramRun& run, Time now);
  void step(Time now);
  void send_due(Time now);
  void send_burst(std::size_t count);
  void ping(Time now);
  void pour(Time now);
  std::size_t used() const { return tunnels_.size() - (flooding_ ? 1 : 0); }

  net::EventLoop& loop_;
  UdpTunnels& tunnels_;
  net::UdpSocket& target_;
  const TrafficOptions options_;
  std::vector<std::unique_ptr<End>> ends_;
  std::vector<net::NetPath> ways_;  // from the target into each tunnel
  std::vector<std::uint8_t> bytes_;
  std::function<void()> greeted_;
  std::function<void(const TrafficFigures&)> done_;
  TrafficFigures figures_;
  double rate_ = 0;
  std::uint64_t offered_ = 0;
  std::size_t next_ = 0;  // tunnel
  Time started_{}, pinged_{};
  bool sending_ = false, flooding_ = false;
  net::Timer timer_, flood_timer_;
};

}  // namespace sallyport::bench
