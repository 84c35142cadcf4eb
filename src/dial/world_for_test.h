// For this layer's tests: an Outbound in simulated time. Behind its TCP are servers over memory streams, in
// the clear or over TLS; its UDP leads nowhere, and can say so.
#pragma once

#include "dial/context.h"
#include "dial/dialer.h"
#include "http/tcp_for_test.h"
#include "net/memory_stream.h"
#include "tls/client_certificate.h"
#include "tls/stream.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::dial::test {

class World final : public net::Outbound, private net::Resolver {
 public:
  explicit World(std::string name = "example.com") : pair(*tls::make_self_signed({std::move(name)})) {}
  ~World() override {
    servers.clear();
    handshakes_.clear();
  }

  /// One that trusts nobody of its own, so that each Security has to say whom.
  Context context() {
    return {.outbound = *this,
            .quic = {clock.timers, system_random()},
            .config = {},
            .limits = {},
            .trust = *tls::Trust::make({})};
  }

  net::Resolver& resolver() override { return *this; }
  Result<std::unique_ptr<net::DatagramPath>> open_udp(const net::SocketAddress& target,
                                                      net::UdpBuffers) override {
    udp.emplace_back(target.to_string(), clock.timers.now());
    return std::make_unique<Nowhere>(*this, target);
  }
  std::unique_ptr<net::TcpConnecting> open_tcp(const std::vector<net::SocketAddress>& targets, Duration,
                                               net::TcpConnected connected, net::TcpAddressFailed) override {
    tcp.clear();
    for (const net::SocketAddress& target : targets) tcp.push_back(target.to_string());
    return std::make_unique<Connecting>(*this, std::move(connected));
  }

  http::test::Clock clock;
  const tls::KeyPair pair;  ///< of servers over TLS
  http::test::RecordingServer requests;
  bool over_tls = false, http2 = false;             ///< what servers speak
  bool refuses = false;                             ///< nobody listens
  bool answers_names = true;                        ///< the name service does
  std::vector<std::string> addresses{"192.0.2.1"};  ///< of all names
  std::set<std::string> unreachable;                ///< "address:port" over UDP, which ICMP tells
  std::vector<std::string> names, tcp;              ///< that were asked for
  std::vector<std::pair<std::string, Time>> udp;
  std::size_t largest_udp = 0;      ///< the largest datagram that was sent
  std::string server_name;          ///< that was asked for last
  tls::ClientVerification clients;  ///< what servers over TLS ask for
  std::string client;               ///< the subject of the client certificate that came last
  http::Limits limits;              ///< of servers
  std::vector<std::unique_ptr<http::Connection>> servers;

 private:
  class Nowhere final : public net::DatagramPath {
   public:
    Nowhere(World& world, const net::SocketAddress& target)
        : path_{net::SocketAddress(*net::IpAddress::parse("192.0.2.99"), 1), target},
          lost_(world.unreachable.contains(target.to_string())),
          largest_(world.largest_udp),
          timers_(world.clock.timers),
          icmp_(timers_, [this](Time) {
            if (receiver_ != nullptr)
              receiver_->on_unreachable(net::Unreachable::definite, {ErrorKind::unreachable, "no route"});
          }) {}
    void set_receiver(net::DatagramReceiver* receiver) override { receiver_ = receiver; }
    net::SendStatus send(const net::NetPath&, const net::DatagramRun& run) override {
      largest_ = std::max(largest_, run.segment_size);
      if (lost_) icmp_.arm(timers_.now());
      return net::SendStatus::sent;
    }
    std::size_t max_datagram_size() const override { return 1472; }
    net::NetPath net_path() const override { return path_; }

   private:
    net::NetPath path_;
    const bool lost_;
    std::size_t& largest_;
    net::Timers& timers_;
    net::DatagramReceiver* receiver_ = nullptr;
    net::Timer icmp_;
  };

  struct Connecting final : net::TcpConnecting {
    Connecting(World& world, net::TcpConnected connected)
        : turn(world.clock.timers, [&world, call = std::move(connected)](Time) {
            if (world.refuses) return call(fail(ErrorKind::refused, "nobody listens there"));
            call(world.accept());
          }) {
      turn.arm(world.clock.timers.now());
    }
    net::Timer turn;
  };

  struct Resolving final : net::Resolution {
    Resolving(net::Timers& timers, std::vector<net::IpAddress> found, Answer answer)
        : turn(timers, [found = std::move(found), call = std::move(answer)](Time) { call(found); }) {}
    net::Timer turn;
  };

  std::unique_ptr<net::Resolution> resolve(const std::string& host, const net::IpAddress&,
                                           Answer found) override {
    names.push_back(host);
    std::vector<net::IpAddress> ips;
    ips.reserve(addresses.size());
    for (const std::string& address : addresses) ips.push_back(*net::IpAddress::parse(address));
    auto resolving = std::make_unique<Resolving>(clock.timers, std::move(ips), std::move(found));
    if (answers_names) resolving->turn.arm(clock.timers.now());
    return resolving;
  }

  std::unique_ptr<net::ByteStream> accept() {
    auto [near, far] = net::make_memory_streams(clock.timers);
    if (!over_tls) {
      serve(std::move(far));
      return std::move(near);
    }
    const tls::ServerOptions options{.credentials = *tls::ServerCredentials::make({pair}, clients),
                                     .alpn = {http2 ? "h2" : "http/1.1"}};
    handshakes_.push_back(tls::accept(clock.timers, std::move(far), options,
                                      [this](Result<std::unique_ptr<tls::Stream>> stream) {
                                        if (!stream) return;
                                        server_name = (*stream)->info().server_name;
                                        const auto& certificate = (*stream)->info().client_certificate;
                                        client = certificate ? certificate->subject : "";
                                        serve(std::move(*stream));
                                      }));
    return std::move(near);
  }

  void serve(std::unique_ptr<net::ByteStream> stream) {
    const auto make = http2 ? http::make_h2_server : http::make_h1_server;
    servers.push_back(make(clock.timers, std::move(stream), {}, requests, nullptr, limits));
  }

  std::vector<std::unique_ptr<tls::Handshake>> handshakes_;
};

/// Notes what comes of what was dialled.
struct RecordingDial final : DialEvents {
  void on_ready(Dialled&) override { ++ready; }
  void on_ended(Dialled&, const Error* why) override {
    ++ended;
    if (why != nullptr) error = *why;
  }
  void on_address_failed(const Tried& tried, const Error&) override {
    failed.push_back(tried.name + " to " + tried.target);
  }
  int ready = 0, ended = 0;
  std::optional<Error> error;
  std::vector<std::string> failed;
};

}  // namespace sallyport::dial::test
