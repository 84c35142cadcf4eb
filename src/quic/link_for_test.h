// A simulated network for tests: Simulation is the clock, LinkPair two DatagramPaths with delay, loss, a
// largest size, and hooks to inspect and change datagrams.
#pragma once

#include "base/random.h"
#include "net/datagram_path.h"
#include "net/timers.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <vector>

namespace sallyport::quic::test {

class Simulation {
 public:
  net::Timers timers{Time(1000s)};

  /// Runs turns until `done` or until `limit` has passed; returns whether `done` held.
  bool run_until(const std::function<bool()>& done, Duration limit = 60s) {
    const Time end = timers.now() + limit;
    timers.run_deferred();
    while (!done()) {
      const Time next = timers.next_deadline();
      if (next > end) {
        timers.advance(end);
        timers.run_deferred();
        return done();
      }
      timers.advance(std::max(next, timers.now()));
      timers.run_deferred();
    }
    return true;
  }
  void run_for(Duration span) {
    run_until([] { return false; }, span);
  }
};

/// One end of a link.
class LinkEnd final : public net::DatagramPath {
 public:
  LinkEnd(Simulation& simulation, net::NetPath path)
      : simulation_(simulation),
        path_(path),
        seen_as_(path.local),
        arrival_(simulation.timers, [this](Time now) { deliver(now); }) {}

  Duration delay = 10ms;          ///< one way, for datagrams sent from here
  double loss = 0;                ///< for datagrams sent from here
  std::size_t mtu = 65'527;       ///< larger datagrams are silently dropped
  std::size_t max_size = 65'527;  ///< the result of max_datagram_size()
  bool reports_blocked = false;
  bool marks_congestion = false;  ///< marks ECN-capable datagrams CE (RFC 3168)
  /// Sees each datagram sent from here; false drops it.
  std::function<bool(Bytes)> filter;
  /// Sees where each goes, too.
  std::function<void(const net::SocketAddress& to, Bytes)> watch;
  std::uint64_t sent = 0, runs = 0, lost = 0, largest_run = 0;
  std::uint64_t bytes = 0;

  /// Datagrams sent from here to the address of `other` arrive there.
  void connect(LinkEnd& other) { others_.push_back(&other); }
  /// NAT rebinding: this end has `address` from now on; nothing arrives at the old address.
  void rebind(const net::SocketAddress& address) { seen_as_ = address; }
  void become_writable() {
    reports_blocked = false;
    receiver_->on_path_writable(simulation_.timers.now());
  }
  /// Delivers bytes to this end's receiver as if `from` had sent them.
  void inject(const net::SocketAddress& from, Bytes datagram, net::Ecn ecn = net::Ecn::not_ect) {
    if (receiver_ != nullptr)
      receiver_->on_datagrams({path_.local, from}, {datagram, datagram.size(), ecn},
                              simulation_.timers.now());
  }
  void set_max_size(std::size_t size) {
    max_size = size;
    if (receiver_ != nullptr) receiver_->on_max_datagram_size(size);
  }
  void report(net::Unreachable kind, const Error& why) {
    if (receiver_ != nullptr) receiver_->on_unreachable(kind, why);
  }
  void close(const Error& why) {
    if (receiver_ != nullptr) receiver_->on_path_closed(why);
  }

  void set_receiver(net::DatagramReceiver* receiver) override { receiver_ = receiver; }
  net::SendStatus send(const net::NetPath& to, const net::DatagramRun& run) override {
    if (run.segment_size > max_size) return net::SendStatus::too_large;
    ++runs;
    largest_run = std::max<std::uint64_t>(largest_run, run.count());
    run.for_each([&](Bytes datagram) {
      ++sent;
      bytes += datagram.size();
      if (watch) watch(to.remote, datagram);
      if (datagram.size() > mtu || (loss > 0 && random_.below(1'000'000) < loss * 1e6) ||
          (filter && !filter(datagram))) {
        ++lost;
        return;
      }
      const auto other = std::find_if(others_.begin(), others_.end(),
                                      [&to](const LinkEnd* end) { return end->seen_as_ == to.remote; });
      if (other == others_.end()) return;
      const net::NetPath seen{(*other)->path_.local, seen_as_};
      const net::Ecn ecn = marks_congestion && run.ecn != net::Ecn::not_ect ? net::Ecn::ce : run.ecn;
      (*other)->queue_.push_back(
          {simulation_.timers.now() + delay, seen, {datagram.begin(), datagram.end()}, ecn});
      (*other)->arrival_.arm((*other)->queue_.front().at);
    });
    return reports_blocked ? net::SendStatus::blocked : net::SendStatus::sent;
  }
  std::size_t max_datagram_size() const override { return max_size; }
  net::NetPath net_path() const override { return path_; }

 private:
  struct InFlight {
    Time at;
    net::NetPath path;
    std::vector<std::uint8_t> bytes;
    net::Ecn ecn;
  };

  /// Datagrams of equal size that arrive at one moment are one run, as with GRO.
  void deliver(Time now) {
    while (!queue_.empty() && queue_.front().at <= now) {
      const InFlight first = std::move(queue_.front());
      queue_.pop_front();
      std::vector<std::uint8_t> joined = first.bytes;
      while (!queue_.empty() && queue_.front().at <= now &&
             queue_.front().bytes.size() == first.bytes.size() && queue_.front().path == first.path &&
             joined.size() + first.bytes.size() < 65'000) {
        joined.insert(joined.end(), queue_.front().bytes.begin(), queue_.front().bytes.end());
        queue_.pop_front();
      }
      if (receiver_ != nullptr)
        receiver_->on_datagrams(first.path, {joined, first.bytes.size(), first.ecn}, now);
    }
    if (!queue_.empty()) arrival_.arm(queue_.front().at);
  }

  Simulation& simulation_;
  net::NetPath path_;
  net::SocketAddress seen_as_;
  std::vector<LinkEnd*> others_;
  net::DatagramReceiver* receiver_ = nullptr;
  std::deque<InFlight> queue_;
  net::Timer arrival_;
  SeededRandom random_{7};
};

struct LinkPair {
  explicit LinkPair(Simulation& simulation, const char* client_address = "192.0.2.1:1000",
                    const char* server_address = "192.0.2.2:443")
      : client(simulation,
               {*net::SocketAddress::parse(client_address), *net::SocketAddress::parse(server_address)}),
        server(simulation,
               {*net::SocketAddress::parse(server_address), *net::SocketAddress::parse(client_address)}) {
    client.connect(server);
    server.connect(client);
  }
  LinkEnd client, server;
};

}  // namespace sallyport::quic::test
