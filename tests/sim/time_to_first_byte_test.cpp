// How many round trips pass before the first byte of an answer comes, through hops whose legs take 50 ms
// there and back each: no more than the RFCs force.
//
// Leg N is that from hop N-1 (leg 1: from the client) to hop N, the last one that to the origin. Reaching
// what lies behind leg N takes N legs each way.
//
//  - A handshake is one round trip (RFC 9001 §4): with hop N that is N legs' worth.
//  - The CONNECT-UDP request leaves with the end of that handshake. It is an extended CONNECT, which has to
//    wait for the hop's SETTINGS (RFC 9220 §3), but these come with the server's first flight (RFC 9114
//    §7.2.4.2 asks for them as early as that), so they cost nothing.
//  - The next handshake's first packet leaves behind the request, without waiting for its answer (RFC 9298 §5
//    allows that); the answer comes ahead of the handshake's.
//  - The request to the origin leaves with the end of the origin's handshake, and is answered a round trip
//    later.
//
// Cold, over H hops, in legs: 1 + 2 + ... + H for the hops, H+1 for the origin's handshake, H+1 for the
// request. Two hops: 1 + 2 + 3 + 3 = 9.
//
// With a ticket for each server the origin's request goes as 0-RTT: H+1 less. Those of the hops stay: CONNECT
// is not a safe method, so it may not be sent in early data (RFC 8470 §2), and a tunnel that is not asked for
// carries nothing. Two hops: 1 + 2 + 3 = 6.
#include "chain_scene.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

constexpr Duration leg = 50ms;
/// A tenth on top, for packets are spread out as RFC 9002 §7.7 has it. A needless round trip over up to two
/// hops would cost more.
Duration bound(int legs) {
  return legs * leg * 11 / 10;
}

int legs_cold(int hops) {
  return hops * (hops + 1) / 2 + 2 * (hops + 1);
}
int legs_resumed(int hops) {
  return hops * (hops + 1) / 2 + (hops + 1);
}

class TimeToFirstByte : public testing::TestWithParam<int> {
 protected:
  ChainScene::Options options() {
    ChainScene::Options options{.hops = static_cast<std::size_t>(GetParam())};
    options.client.sessions = &sessions;
    options.client.early_data = true;
    return options;
  }

  Duration first_byte_through(ChainScene& scene) {
    // All of a leg's delay is on the far host's link, so that each leg takes the same.
    scene.each_link([](LinkProfile& link) {
      link.delay = leg / 4;
      link.bits_per_second = 1e9;
    });
    const Transfer& transfer = scene.download(1'000);
    EXPECT_TRUE(scene.run());
    expect_intact(transfer, 1'000);
    return transfer.first_byte - transfer.started;
  }

  /// For bench/latency.py, which prints them.
  static void record(const char* start, int forced, Duration taken) {
    RecordProperty("hops", GetParam());
    RecordProperty("start", start);
    RecordProperty("forced", forced);
    RecordProperty(
        "legs", fmt::format("{:.2f}", static_cast<double>(taken.count()) / static_cast<double>(leg.count())));
  }

  tls::SessionCache sessions;
};

INSTANTIATE_TEST_SUITE_P(Hops, TimeToFirstByte, testing::Values(0, 1, 2, 3, 4),
                         testing::PrintToStringParamName());

TEST_P(TimeToFirstByte, ColdTakesWhatTheRfcsForce) {
  ChainScene scene(options());
  const Duration taken = first_byte_through(scene);
  EXPECT_GE(taken, legs_cold(GetParam()) * leg);
  EXPECT_LT(taken, bound(legs_cold(GetParam())));
  record("cold", legs_cold(GetParam()), taken);
}

TEST_P(TimeToFirstByte, WithTicketsTheRequestToTheOriginIsZeroRtt) {
  ChainScene scene(options());
  first_byte_through(scene);
  scene.expect_clean_end();
  const Duration taken = first_byte_through(scene);
  EXPECT_GE(taken, legs_resumed(GetParam()) * leg);
  EXPECT_LT(taken, bound(legs_resumed(GetParam())));
  record("with tickets", legs_resumed(GetParam()), taken);
  const auto links = scene.client().figures();
  for (const dial::LinkFigures& link : links) EXPECT_TRUE(link.quic.resumed) << link.title;
  EXPECT_TRUE(links.back().quic.early_data_accepted);
}

}  // namespace
}  // namespace sallyport::sim
