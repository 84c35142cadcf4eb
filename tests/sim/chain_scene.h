// ChainScene: a client, any number of hops and an origin on the simulated network; the stage of the chain
// tests.
#pragma once

#include "network.h"
#include "sim_client.h"
#include "sim_gateway.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::sim {

class ChainScene {
 public:
  static constexpr const char* origin_name = "origin.sim.test";
  static std::string hop_name(std::size_t number);  ///< from 1

  struct Options {
    std::size_t hops = 0;
    std::uint64_t seed = 1;
    bool ipv6 = false;            ///< all hosts
    SimGateway::Options gateway;  ///< of hops and origin
    /// Of the origin's QUIC, where that is to differ.
    std::optional<quic::Config> origin_quic;
    SimClient::Options client;  ///< without hops: they are filled in
  };

  /// Nothing runs yet. Links have 5 ms of delay each way and 100 Mbit/s.
  explicit ChainScene(Options options);
  ~ChainScene();

  /// Applies to both directions of all links.
  void each_link(const std::function<void(LinkProfile&)>& change);
  Host& client_host() { return *client_host_; }
  /// Of hop N, from 1; the origin's comes after that of the last hop.
  Host& host(std::size_t number) { return *hosts_.at(number - 1); }
  Host& origin_host() { return *hosts_.back(); }
  SimGateway& gateway(std::size_t number) { return *gateways_.at(number - 1); }
  SimGateway& origin() { return *gateways_.back(); }
  /// The process ends without a word; its port is closed from now on.
  void kill(std::size_t number) { gateways_.at(number - 1).reset(); }

  /// A client that goes by all hops; made when it is first asked for.
  SimClient& client();
  const Transfer& download(std::uint64_t bytes) { return client().download(origin_name, bytes); }
  const Transfer& upload(std::uint64_t bytes) { return client().upload(origin_name, bytes); }
  /// Until all transfers are done, or `limit` has passed: then they fail.
  bool run(Duration limit = 120s);
  /// Ends the client in order and checks that nothing is left of it anywhere: connections, tunnels, sockets.
  void expect_clean_end();

  Network network;

 private:
  Options options_;
  Host* client_host_;
  std::vector<Host*> hosts_;
  std::vector<std::unique_ptr<SimGateway>> gateways_;
  std::unique_ptr<SimClient> client_;
};

/// Done without an error, all there.
void expect_intact(const Transfer& transfer, std::uint64_t bytes);

}  // namespace sallyport::sim
