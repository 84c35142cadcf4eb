// For this layer's tests: servers over TLS and memory streams behind an Outbound, in simulated time. UDP
// leads nowhere, so HTTP/2 and HTTP/1.1 are what is spoken.
#pragma once

#include "dial/context.h"
#include "http/tcp_for_test.h"
#include "net/memory_stream.h"
#include "tls/stream.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::client::test {

class World final : public net::Outbound, private net::Resolver, private http::RequestHandler {
 public:
  World()
      : credentials_(
            *tls::ServerCredentials::make({*tls::make_self_signed({"example.com", "other.example.com"})})) {}
  ~World() override {
    servers.clear();
    connects_.clear();
  }

  /// A client's context in this world, which trusts everybody.
  dial::Context context() {
    return {.outbound = *this,
            .quic = {clock.timers, system_random()},
            .config = {},
            .limits = {},
            .trust = *tls::Trust::make({.insecure = true})};
  }

  net::Resolver& resolver() override { return *this; }
  Result<std::unique_ptr<net::DatagramPath>> open_udp(const net::SocketAddress& target,
                                                      net::UdpBuffers) override {
    ++udp_sockets;
    udp_targets.push_back(target.to_string());
    return std::make_unique<BlackHole>(*this, target);
  }
  std::unique_ptr<net::TcpConnecting> open_tcp(const std::vector<net::SocketAddress>&, Duration,
                                               net::TcpConnected connected,
                                               net::TcpAddressFailed failed) override {
    ++connects;
    connected_at = clock.timers.now();
    if (when_connecting) when_connecting();
    auto connecting = std::make_unique<Connecting>(*this, std::move(connected), std::move(failed));
    return connecting;
  }

  http::test::Clock clock;
  /// What servers do with a request.
  std::function<void(http::Exchange&, http::test::RecordingExchange&)> answer;
  std::vector<std::string> alpn{"h2", "http/1.1"};  ///< of servers, in their order
  http::Limits limits;                              ///< of servers
  bool refuses = false;                             ///< nobody listens
  std::string refusal = "nobody listens there";     ///< what is said then
  bool drops_tcp = false;                           ///< as a firewall does
  std::function<void()> when_connecting;            ///< over TCP
  Duration connect_time{};                          ///< what each connect over TCP takes
  std::size_t connects = 0;                         ///< over TCP
  std::size_t udp_sockets = 0;
  std::vector<std::string> udp_targets;
  std::optional<net::Unreachable> icmp;             ///< answers each datagram
  std::string icmp_for;                             ///< only those to here, where it is not empty
  std::vector<std::string> addresses{"192.0.2.1"};  ///< of all names
  Time connected_at{};                              ///< the last connect over TCP began
  std::vector<std::unique_ptr<http::Connection>> servers;

 private:
  /// A network that drops UDP.
  class BlackHole final : public net::DatagramPath {
   public:
    BlackHole(World& world, const net::SocketAddress& target)
        : world_(world),
          path_{net::SocketAddress(*net::IpAddress::parse("192.0.2.2"), 1), target},
          icmp_(world.clock.timers, [this](Time) {
            if (receiver_ != nullptr)
              receiver_->on_unreachable(
                  *world_.icmp, {ErrorKind::unreachable, path_.remote.to_string() + " leads nowhere"});
          }) {}
    void set_receiver(net::DatagramReceiver* receiver) override { receiver_ = receiver; }
    net::SendStatus send(const net::NetPath&, const net::DatagramRun&) override {
      if (world_.icmp && (world_.icmp_for.empty() || world_.icmp_for == path_.remote.to_string()))
        icmp_.arm(world_.clock.timers.now());
      return net::SendStatus::sent;
    }
    std::size_t max_datagram_size() const override { return 1472; }
    net::NetPath net_path() const override { return path_; }

   private:
    World& world_;
    net::NetPath path_;
    net::DatagramReceiver* receiver_ = nullptr;
    net::Timer icmp_;
  };

  struct Connecting final : net::TcpConnecting {
    Connecting(World& in, net::TcpConnected when_connected, net::TcpAddressFailed when_failed)
        : world(in),
          connected(std::move(when_connected)),
          failed(std::move(when_failed)),
          turn(in.clock.timers, [this](Time) { answer(); }) {
      turn.arm(in.clock.timers.now() + in.connect_time);
    }
    void answer() {
      if (world.drops_tcp) return;
      auto call = std::move(connected);
      if (!world.refuses) return call(world.accept());
      const Error why{ErrorKind::refused, world.refusal};
      if (failed) failed(why);
      call(std::unexpected(why));
    }
    World& world;
    net::TcpConnected connected;
    net::TcpAddressFailed failed;
    net::Timer turn;
  };

  struct Resolving final : net::Resolution {
    Resolving(net::Timers& timers, std::vector<net::IpAddress> found, Answer answer)
        : turn(timers, [found = std::move(found), call = std::move(answer)](Time) { call(found); }) {
      turn.arm(timers.now());
    }
    net::Timer turn;
  };

  std::unique_ptr<net::Resolution> resolve(const std::string&, const net::IpAddress&, Answer found) override {
    std::vector<net::IpAddress> ips;
    for (const std::string& address : addresses) ips.push_back(*net::IpAddress::parse(address));
    return std::make_unique<Resolving>(clock.timers, std::move(ips), std::move(found));
  }

  std::unique_ptr<net::ByteStream> accept() {
    auto [near, far] = net::make_memory_streams(clock.timers);
    tls::ServerOptions options;
    options.credentials = credentials_;
    options.alpn = alpn;
    const std::size_t index = connects_.size();
    connects_.push_back(tls::accept(
        clock.timers, std::move(far), options, [this, index](Result<std::unique_ptr<tls::Stream>> stream) {
          const auto done = std::move(connects_[index]);
          if (!stream) return;
          const bool http2 = (*stream)->info().alpn == "h2";
          const http::StreamSecurity security{"example.com", "TLS1.3"};
          const auto make = http2 ? http::make_h2_server : http::make_h1_server;
          servers.push_back(make(clock.timers, std::move(*stream), security, *this, nullptr, limits));
        }));
    return std::move(near);
  }

  void on_request(http::Exchange& exchange) override {
    taken_.push_back(std::make_unique<http::test::RecordingExchange>());
    exchange.set_handler(taken_.back().get());
    answer(exchange, *taken_.back());
  }

  std::shared_ptr<const tls::ServerCredentials> credentials_;
  std::vector<std::unique_ptr<tls::Handshake>> connects_;
  std::vector<std::unique_ptr<http::test::RecordingExchange>> taken_;
};

}  // namespace sallyport::client::test
