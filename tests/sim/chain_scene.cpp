#include "chain_scene.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

/// After this, whoever was left without a word has given up: idle timeouts are 30 s, and a hop's may begin
/// when the one inside it ends.
constexpr Duration all_timeouts = 200s;

}  // namespace

std::string ChainScene::hop_name(std::size_t number) {
  return fmt::format("hop{}.sim.test", number);
}

ChainScene::ChainScene(Options options) : network(options.seed), options_(std::move(options)) {
  const auto add = [this](const std::string& name) {
    return options_.ipv6 ? &network.add_v6_host(name) : &network.add_host(name);
  };
  client_host_ = add("client");
  for (std::size_t hop = 1; hop <= options_.hops; ++hop) {
    hosts_.push_back(add(hop_name(hop)));
    options_.client.hops.push_back(hop_name(hop));
  }
  hosts_.push_back(add(origin_name));
  for (Host* host : hosts_) {
    SimGateway::Options each = options_.gateway;
    if (host == hosts_.back() && options_.origin_quic) each.quic = *options_.origin_quic;
    gateways_.push_back(std::make_unique<SimGateway>(network, *host, std::move(each)));
  }
}

ChainScene::~ChainScene() = default;

void ChainScene::each_link(const std::function<void(LinkProfile&)>& change) {
  const auto change_both = [&change](Host& host) {
    change(host.up.profile);
    change(host.down.profile);
  };
  change_both(*client_host_);
  for (Host* host : hosts_) change_both(*host);
}

SimClient& ChainScene::client() {
  if (client_ == nullptr) client_ = std::make_unique<SimClient>(network, *client_host_, options_.client);
  return *client_;
}

bool ChainScene::run(Duration limit) {
  return network.run_until([this] { return client_->done(); }, limit);
}

void ChainScene::expect_clean_end() {
  if (client_ != nullptr) {
    client_->shutdown();
    EXPECT_TRUE(network.run_until([this] { return client_->is_shut(); }, 60s))
        << "the client does not come to an end";
    client_.reset();
  }
  EXPECT_EQ(client_host_->open_sockets(), 0u);
  const auto idle = [this] {
    return std::ranges::all_of(gateways_,
                               [](const auto& gateway) { return gateway == nullptr || gateway->is_idle(); });
  };
  if (network.run_until(idle, all_timeouts)) return;
  for (const auto& gateway : gateways_) {
    if (gateway == nullptr || gateway->is_idle()) continue;
    ADD_FAILURE() << fmt::format(
        "{} still has {} connections, {} half open, {} tunnels, {} answers, {} sockets",
        gateway->host().name(), gateway->endpoint_stats().connections, gateway->endpoint_stats().half_open,
        gateway->proxy().open[masque::Protocol::udp], gateway->open_answers(),
        gateway->host().open_sockets());
  }
}

void expect_intact(const Transfer& transfer, std::uint64_t bytes) {
  EXPECT_TRUE(transfer.done);
  EXPECT_FALSE(transfer.error) << transfer.error->message;
  EXPECT_EQ(transfer.bytes, bytes);
  EXPECT_TRUE(transfer.intact);
}

}  // namespace sallyport::sim
