// Congestion control in congestion control: what a download by QUIC gets, directly and in a CONNECT-UDP
// tunnel, whose own connection has congestion control too (RFC 9298 §6), by the round trip, rate and loss of
// the way between client and proxy, with the datagram queue as it is and as a plain one that is bounded in
// bytes alone. The table of docs/tun.md:
//
//   SALLYPORT_SIM_STUDY=1 sim_test --gtest_filter='CongestionStudy.*'
#include "chain_scene.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

using quic::CongestionControl;

constexpr Duration warm_up = 5s, measured = 20s, sampled = 10ms;
/// Of the links that are not in the way.
constexpr Duration near = 250us;

enum class Queue : std::uint8_t { bytes_only, timed };

struct Way {
  int round_trip_ms;
  double megabits, loss;
};

struct Found {
  double megabits = 0;
  double mean_wait_ms = 0, long_wait_ms = 0;  ///< in the queue; the 95th percentile
  double round_trip_ms = 0;                   ///< of the inner connection, mean
};

quic::DatagramQueueOptions plain_queue() {
  constexpr Duration no_bound = 1h;
  return {.bytes = 1024 * 1024,
          .sojourn_limit = no_bound,
          .target = no_bound,
          .interval = no_bound,
          .patience = no_bound,
          .fresh = no_bound};
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

/// The inner sender is `inner`; without `outer` there is no tunnel.
Found download(const Way& way, CongestionControl inner, std::optional<CongestionControl> outer, Queue queue,
               std::uint64_t seed) {
  ChainScene::Options options{.hops = outer ? 1u : 0u, .seed = seed};
  options.origin_quic = options.gateway.quic;
  options.origin_quic->congestion_control = inner;
  if (outer) options.gateway.quic.congestion_control = *outer;
  if (queue == Queue::bytes_only) options.gateway.quic.datagram_queue = plain_queue();
  ChainScene scene(std::move(options));
  const Duration round_trip = std::chrono::milliseconds(way.round_trip_ms);
  scene.each_link([&](LinkProfile& link) {
    link.bits_per_second = 1e9;
    link.queue_bytes = 4 * 1024 * 1024;
    link.delay = near;
  });
  for (LinkProfile* const link : {&scene.client_host().up.profile, &scene.client_host().down.profile}) {
    link->bits_per_second = way.megabits * 1e6;
    link->delay = round_trip / 2;
    link->queue_bytes = std::max<std::size_t>(
        30'000, static_cast<std::size_t>(way.megabits * 1e6 / 8 * in_seconds(round_trip)));
  }
  scene.client_host().down.profile.loss = way.loss;
  const Transfer& transfer = scene.download(1ull << 40);
  scene.network.run_for(warm_up);
  const std::uint64_t before = transfer.bytes;
  std::vector<double> waits, round_trips;
  for (Duration at{}; at < measured; at += sampled) {
    scene.network.run_for(sampled);
    if (outer)
      scene.gateway(1).endpoint().for_each([&](quic::Connection& connection) {
        waits.push_back(1e3 * in_seconds(connection.stats().datagram_queue_sojourn));
      });
    scene.origin().endpoint().for_each([&](quic::Connection& connection) {
      round_trips.push_back(1e3 * in_seconds(connection.stats().smoothed_rtt));
    });
  }
  EXPECT_FALSE(transfer.done);
  Found found{.megabits = static_cast<double>(transfer.bytes - before) * 8 / 1e6 / in_seconds(measured),
              .mean_wait_ms = mean_of(waits),
              .round_trip_ms = mean_of(round_trips)};
  if (!waits.empty()) {
    std::ranges::sort(waits);
    found.long_wait_ms = waits[waits.size() * 95 / 100];
  }
  return found;
}

std::string cell(const Found& found, bool tunnel) {
  if (!tunnel) return fmt::format("{:.1f} ({:.0f})", found.megabits, found.round_trip_ms);
  return fmt::format("{:.1f} ({:.0f}; {:.0f}/{:.0f})", found.megabits, found.round_trip_ms,
                     found.mean_wait_ms, found.long_wait_ms);
}

TEST(CongestionStudy, Table) {
  const char* const asked = std::getenv("SALLYPORT_SIM_STUDY");
  std::vector<Way> ways{{20, 10, 0.01}};
  if (asked != nullptr) {
    ways.clear();
    for (const int round_trip : {20, 200})
      for (const double megabits : {10., 100.})
        for (const double loss : {0., 0.005, 0.01, 0.02}) ways.push_back({round_trip, megabits, loss});
    fmt::print(
        "Mbit/s of content (inner round trip, ms; wait in the queue, mean/95th percentile, ms)\n"
        "| RTT | Mbit/s | Loss | Direct, cubic | cubic in cubic, plain queue | cubic in cubic | cubic in "
        "BBR, plain "
        "queue | cubic in BBR |\n|---|---|---|---|---|---|---|---|\n");
  }
  for (const Way& way : ways) {
    const auto cubic = CongestionControl::cubic, bbr = CongestionControl::bbr;
    const Found direct = download(way, cubic, std::nullopt, Queue::timed, 1);
    const Found timed = download(way, cubic, cubic, Queue::timed, 1);
    EXPECT_LE(timed.long_wait_ms, std::max(100, 2 * way.round_trip_ms));
    if (asked == nullptr) {
      EXPECT_GE(timed.megabits, 0.3 * direct.megabits);
      continue;
    }
    fmt::print("| {} ms | {:.0f} | {:.1f}% | {} | {} | {} | {} | {} |\n", way.round_trip_ms, way.megabits,
               way.loss * 100, cell(direct, false),
               cell(download(way, cubic, cubic, Queue::bytes_only, 1), true), cell(timed, true),
               cell(download(way, cubic, bbr, Queue::bytes_only, 1), true),
               cell(download(way, cubic, bbr, Queue::timed, 1), true));
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sallyport::sim
