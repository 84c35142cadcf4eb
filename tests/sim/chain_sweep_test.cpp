// Random chains on random networks: each seed picks its own topology, conditions and transfers, and must come
// through like all others.
//
//   SALLYPORT_SIM_SEEDS=1000 sim_test --gtest_filter='ChainSweep.*'   how many seeds (100 when not given)
//   SALLYPORT_SIM_SEED=4711  sim_test --gtest_filter='ChainSweep.*'   only this one, exactly as it was in the
//   sweep
#include "chain_scene.h"

#include <charconv>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

constexpr std::uint64_t usual_seeds = 100;
/// Simulated. What a seed can come up with at its worst takes about half of it.
constexpr Duration time_limit = 300s;

std::optional<std::uint64_t> number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  if (text == nullptr) return std::nullopt;
  const std::string_view digits(text);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
  EXPECT_TRUE(error == std::errc{} && end == digits.end()) << variable << " is no number: " << digits;
  return number;
}

/// What a seed stands for.
class Course {
 public:
  explicit Course(std::uint64_t seed) : seed_(seed), dice_(seed ^ 0x5eed'0000'0000'0000) {}

  void run() {
    ChainScene::Options chosen = options();
    narrowest_ = narrowest_mtu(chosen);
    ChainScene scene(std::move(chosen));
    scene.each_link([this](LinkProfile& link) { choose(link); });
    std::vector<std::pair<const Transfer*, std::uint64_t>> transfers;
    const std::uint64_t count = 1 + dice_.below(3);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t bytes = between(10'000, 500'000) / count;
      const bool up = dice_.happens(0.3);
      describe("{} {} bytes", up ? "upload" : "download", bytes);
      transfers.emplace_back(up ? &scene.upload(bytes) : &scene.download(bytes), bytes);
    }
    // An address may not change before the handshake is over (RFC 9000 §9), so what happens happens when the
    // whole chain stands.
    scene.network.run_until([&] { return scene.origin().endpoint_stats().handshakes_completed > 0; },
                            time_limit);
    plan_event(scene);
    EXPECT_TRUE(scene.run(time_limit)) << "not done in time";
    for (const auto& [transfer, bytes] : transfers) expect_intact(*transfer, bytes);
    if (scene.client().broken()) ADD_FAILURE() << scene.client().broken()->message;
    scene.expect_clean_end();
  }

  const std::string& description() const { return description_; }

 private:
  ChainScene::Options options() {
    ChainScene::Options options{.hops = dice_.below(5), .seed = seed_, .ipv6 = dice_.happens(0.3)};
    describe("{} hops, IPv{}", options.hops, options.ipv6 ? 6 : 4);
    // Handshakes of the innermost connection cross all links, each of which may lose packets for a while.
    options.client.connect_timeout = 60s;
    // Answers come one after the other, and where all links lose packets the first may keep the others
    // waiting for a minute.
    options.client.stall_timeout = options.client.limits.idle_timeout = options.gateway.limits.idle_timeout =
        time_limit;
    quic::Config& client = options.client.config;
    quic::Config& server = options.gateway.quic;
    client.keep_alive = 2s;
    client.idle_timeout = server.idle_timeout = 60s;
    server.handshake_timeout = 60s;
    constexpr std::array algorithms{quic::CongestionControl::cubic, quic::CongestionControl::reno,
                                    quic::CongestionControl::bbr};
    client.congestion_control = algorithms[dice_.below(algorithms.size())];
    server.congestion_control = algorithms[dice_.below(algorithms.size())];
    if (dice_.happens(0.2)) client.versions = server.versions = {quic::version_2, quic::version_1};
    if (dice_.happens(0.2)) options.gateway.retry = quic::RetryPolicy::always;
    // A token that was changed on the way ends the connection, as RFC 9000 §8.1.2 asks.
    corrupts_ = options.gateway.retry != quic::RetryPolicy::always;
    describe("cc {}/{}, v{:x}, {}", static_cast<int>(client.congestion_control),
             static_cast<int>(server.congestion_control), client.versions.front(),
             corrupts_ ? "no retry" : "retry");
    return options;
  }

  /// What the links must carry for QUIC's 1,200 bytes to be left within all hops (chain_mtu_test.cpp), when
  /// each connection's search has settled up to 8 bytes below what its path carries (quic/path_mtu.cpp), as
  /// one may that loss makes begin again.
  static std::size_t narrowest_mtu(const ChainScene::Options& options) {
    constexpr std::size_t hop_cost = 33, grain = 8;
    return 1200 + (hop_cost + grain) * options.hops + grain + (options.ipv6 ? 48 : 28);
  }

  /// Each condition is absent more often than not, so that the mixtures differ.
  void choose(LinkProfile& link) {
    link.delay = dice_.span(30ms);
    link.bits_per_second = dice_.happens(0.1) ? 0 : static_cast<double>(between(2'000'000, 100'000'000));
    link.queue_bytes = between(30'000, 300'000);
    if (dice_.happens(0.2)) link.jitter = dice_.span(10ms);
    if (dice_.happens(0.25)) link.loss = 0.02 * dice_.unit();
    if (dice_.happens(0.15)) link.reorder = 0.05 * dice_.unit();
    if (corrupts_ && dice_.happens(0.15)) link.corrupt = 0.01 * dice_.unit();
    if (dice_.happens(0.15)) link.duplicate = 0.05 * dice_.unit();
    if (dice_.happens(0.15)) link.batching = 500us + dice_.span(3ms);
    if (dice_.happens(0.15)) link.mark_above = link.queue_bytes / 3;
    if (dice_.happens(0.2)) link.mtu = between(narrowest_, 1501);
    describe("[{}ms {:.0f}Mb/s q{} mtu {} j{}ms loss {:.3f} reorder {:.3f} corrupt {:.3f} dup {:.3f}]",
             link.delay / 1ms, link.bits_per_second / 1e6, link.queue_bytes, link.mtu, link.jitter / 1ms,
             link.loss, link.reorder, link.corrupt, link.duplicate);
  }

  void plan_event(ChainScene& scene) {
    const Duration when = 100ms + dice_.span(3s);
    Host& client = scene.client_host();
    switch (dice_.below(8)) {
      case 0:
        describe("rebinding after {}ms", when / 1ms);
        return scene.network.after(when, [&client] { client.rebind_ports(); });
      case 1:
        describe("outage after {}ms", when / 1ms);
        scene.network.after(when, [&client] { client.set_down(true); });
        return scene.network.after(when + 1s, [&client] { client.set_down(false); });
      default:
        return;
    }
  }

  std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + dice_.below(high - low); }

  template <class... Arguments>
  void describe(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
    fmt::format_to(std::back_inserter(description_), "{}", description_.empty() ? "" : ", ");
    fmt::format_to(std::back_inserter(description_), format, std::forward<Arguments>(arguments)...);
  }

  const std::uint64_t seed_;
  Dice dice_;
  bool corrupts_ = true;
  std::size_t narrowest_ = 0;
  std::string description_;
};

void run(std::uint64_t seed) {
  Course course(seed);
  const auto failures = [] {
    return testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count();
  };
  const int before = failures();
  course.run();
  if (failures() != before)
    ADD_FAILURE() << "seed " << seed << " (" << course.description()
                  << "); replay it with SALLYPORT_SIM_SEED=" << seed
                  << " sim_test --gtest_filter='ChainSweep.*'";
}

TEST(ChainSweep, EverySeedComesThrough) {
  if (const auto one = number_in("SALLYPORT_SIM_SEED")) return run(*one);
  const std::uint64_t seeds = number_in("SALLYPORT_SIM_SEEDS").value_or(usual_seeds);
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) run(seed);
}

}  // namespace
}  // namespace sallyport::sim
