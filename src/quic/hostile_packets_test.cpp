// Hostile or malformed packets that any host can send, against an Endpoint. Each case names its threat.
#include "quic/application_for_test.h"
#include "quic/packet_forge_for_test.h"
#include "tls/session_cache.h"

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using test::frame;
using test::Octets;
using test::PacketForge;

const net::SocketAddress attacker = *net::SocketAddress::parse("203.0.113.9:4444");
const Octets some_id{9, 8, 7, 6, 5, 4, 3, 2}, source_id{1, 1, 1, 1};

/// CRYPTO with the first bytes of a ClientHello whose rest never comes.
Octets hello_without_end() {
  Octets frames = frame({0x06, 0, 4});
  test::append(frames, Octets{0x01, 0x00, 0x02, 0x00});
  return frames;
}

struct Attacked : test::Pair {
  struct Sent {
    net::SocketAddress to;
    Octets bytes;
  };
  std::vector<Sent> answers;

  Attacked() {
    link.server.watch = [this](const net::SocketAddress& to, Bytes datagram) {
      answers.push_back({to, {datagram.begin(), datagram.end()}});
    };
  }
  void start() { serve(); }
  void inject(Bytes datagram, const net::SocketAddress& from = attacker) {
    link.server.inject(from, datagram);
    simulation.run_for(0s);
  }
  std::size_t answered_bytes() const {
    std::size_t sum = 0;
    for (const Sent& answer : answers) sum += answer.bytes.size();
    return sum;
  }
  Octets initial(Octets frames, std::size_t size = 1200, Bytes token = {}, const Octets& id = some_id) const {
    return PacketForge::initial(id).initial_packet(id, source_id, token, 0, std::move(frames), size);
  }
};

bool is_long(const Octets& datagram) {
  return (datagram[0] & 0x80) != 0;
}
bool is_retry(const Octets& datagram) {
  return (datagram[0] & 0xf0) == 0xf0;
}
std::uint32_t version_of(const Octets& d) {
  return std::uint32_t{d[1]} << 24 | d[2] << 16 | d[3] << 8 | d[4];
}

TEST(HostilePackets, ShortInitialIsDropped) {
  Attacked world;
  world.start();
  world.inject(world.initial(frame({0x01}), 1199));
  EXPECT_TRUE(world.answers.empty());
  EXPECT_EQ(world.endpoint->stats().dropped_short_initial, 1u);
  EXPECT_EQ(world.endpoint->stats().accepted, 0u);
}

TEST(HostilePackets, SpoofedInitialIsAnsweredThreefoldAtMost) {
  Attacked world;
  world.start();
  world.inject(world.initial(hello_without_end()));
  EXPECT_EQ(world.endpoint->stats().half_open, 1u);
  world.simulation.run_for(60s);
  EXPECT_LE(world.answered_bytes(), 3600u);
  EXPECT_EQ(world.endpoint->stats().half_open, 0u);  // forgotten
  EXPECT_TRUE(world.server_applications.empty());    // and none of it cost the application anything
}

TEST(HostilePackets, FloodOfInitialsMeetsRetryThenABound) {
  Attacked world;
  world.server_options.retry_above_half_open = 20;
  world.start();
  for (int i = 0; i < 200; ++i) {
    Octets id = some_id;
    id[0] = static_cast<std::uint8_t>(i);
    net::SocketAddress from = attacker;
    from.set_port(static_cast<std::uint16_t>(1000 + i));
    world.inject(world.initial(hello_without_end(), 1200, {}, id), from);
  }
  EXPECT_EQ(world.endpoint->stats().half_open, 20u);
  ASSERT_EQ(world.endpoint->stats().retries_sent, 180u);
  EXPECT_TRUE(is_retry(world.answers.back().bytes));
  EXPECT_LT(world.answers.back().bytes.size(), 200u);

  Attacked bounded;
  bounded.server_options.retry = RetryPolicy::never;
  bounded.server_options.max_half_open = 10;
  bounded.start();
  for (int i = 0; i < 50; ++i) {
    Octets id = some_id;
    id[0] = static_cast<std::uint8_t>(i);
    bounded.inject(bounded.initial(hello_without_end(), 1200, {}, id));
  }
  EXPECT_EQ(bounded.endpoint->stats().half_open, 10u);
  EXPECT_EQ(bounded.endpoint->stats().dropped_half_open, 40u);
}

TEST(HostilePackets, GarbageThatLooksLikeARetryTokenIsRefused) {
  Attacked world;
  world.start();
  for (const std::size_t size : {1u, 2u, 40u, 61u, 300u}) {
    Octets token(size, 0x5a);
    token[0] = 0xb6;
    world.answers.clear();
    world.inject(world.initial(hello_without_end(), 1200, token));
    ASSERT_EQ(world.answers.size(), 1u) << size;
    EXPECT_TRUE(is_long(world.answers[0].bytes));
  }
  EXPECT_EQ(world.endpoint->stats().dropped_token, 5u);
  EXPECT_EQ(world.endpoint->stats().ignored_tokens, 0u);
  EXPECT_EQ(world.endpoint->stats().accepted, 0u);
}

TEST(HostilePackets, OtherTokensAreTreatedAsAbsent) {
  Attacked world;
  world.start();
  std::uint8_t number = 0;
  for (const std::uint8_t first : {0x36, 0x00, 0xb7, 0xff}) {
    Octets token(60, 0x5a), id = some_id;
    token[0] = first;
    id[7] = number++;
    world.inject(world.initial(hello_without_end(), 1200, token, id));
  }
  EXPECT_EQ(world.endpoint->stats().accepted, 4u);
  EXPECT_EQ(world.endpoint->stats().ignored_tokens, 4u);
  EXPECT_EQ(world.endpoint->stats().dropped_token, 0u);
}

/// Initial packets forged by an on-path observer of a handshake's first one: they must not end it.
TEST(HostilePackets, CryptoFarAheadInAnInitialIsDropped) {
  Attacked world;
  world.start();
  Octets frames = frame({0x06, 1'000'000, 4});
  frames.resize(frames.size() + 4, 1);
  world.inject(world.initial(frames));
  EXPECT_EQ(world.endpoint->stats().connections, 0u);
  EXPECT_EQ(world.endpoint->stats().half_open, 0u);
  EXPECT_EQ(world.endpoint->stats().handshakes_failed, 1u);
  EXPECT_TRUE(world.answers.empty());
  // In the middle of a ClientHello it changes nothing.
  const Octets id{1, 2, 3, 4, 5, 6, 7, 8};
  world.inject(world.initial(hello_without_end(), 1200, {}, id));
  EXPECT_EQ(world.endpoint->stats().half_open, 1u);
  world.answers.clear();
  world.inject(PacketForge::initial(id).initial_packet(id, source_id, {}, 1, frames));
  EXPECT_EQ(world.endpoint->stats().half_open, 1u);
  EXPECT_EQ(world.endpoint->stats().handshakes_failed, 1u);
  EXPECT_TRUE(world.answers.empty());
}

TEST(HostilePackets, AHelloWithoutItsBeginningMeetsRetryAndIsNotKept) {
  Attacked world;
  world.start();
  Octets frames = frame({0x06, 100, 4});
  frames.resize(frames.size() + 4, 1);
  for (std::uint8_t i = 0; i < 50; ++i) {
    Octets id = some_id;
    id[0] = i;
    world.inject(world.initial(frames, 1200, {}, id));
  }
  const EndpointStats stats = world.endpoint->stats();
  EXPECT_EQ(stats.retries_sent, 50u);
  EXPECT_EQ(stats.connections, 0u);
  EXPECT_EQ(stats.half_open, 0u);
  ASSERT_EQ(world.answers.size(), 50u);
  for (const auto& answer : world.answers) EXPECT_TRUE(is_retry(answer.bytes));
  world.simulation.run_for(10s);  // until then the rest of the same ClientHello is ignored
  EXPECT_EQ(world.endpoint->stats().connection_ids, 0u);
}

/// The network lost or overtook the first of two packets.
TEST(HostilePackets, AnHonestHelloWithoutItsBeginningGetsThroughByTheRetry) {
  Attacked world;
  tls::SessionCache sessions;
  world.client_options.sessions = &sessions;
  // A token that leaves little room for the ClientHello.
  Octets token(900);
  token[3] = version_1;
  sessions.store_token(world.client_options.origin, token);
  world.serve();
  std::size_t sent = 0;
  world.link.client.filter = [&](Bytes) { return sent++ != 0; };
  world.connect();
  world.simulation.run_for(0s);
  ASSERT_GE(sent, 2u);
  ASSERT_TRUE(world.simulation.run_until([&] { return world.client->is_established(); }));
  EXPECT_TRUE(world.client->stats().retried);
  EXPECT_EQ(world.endpoint->stats().retries_sent, 1u);
  EXPECT_EQ(world.endpoint->stats().connections, 1u);
}

TEST(HostilePackets, UnknownVersionGetsOneLimitedAnswer) {
  Attacked world;
  world.start();
  Octets packet = world.initial(hello_without_end());
  packet[1] = 0x5a;
  world.inject(packet);
  ASSERT_EQ(world.answers.size(), 1u);
  EXPECT_EQ(version_of(world.answers[0].bytes), 0u);
  EXPECT_LT(world.answers[0].bytes.size(), 100u);
  for (int i = 0; i < 5000; ++i) world.inject(packet);
  EXPECT_LE(world.answers.size(), 101u);
  packet.resize(1199);
  world.answers.clear();
  world.simulation.run_for(10s);
  world.inject(packet);  // too short to be answered
  EXPECT_TRUE(world.answers.empty());
}

/// Of a version that ngtcp2 supports: the check of the datagram's size is ours (RFC 9000 §6.1).
TEST(HostilePackets, AVersionThatIsSwitchedOffIsAnsweredOnlyToALongDatagram) {
  Attacked world;
  world.server_options.config.versions = {version_1};
  world.start();
  Octets packet = world.initial(hello_without_end());
  for (std::size_t i = 0; i < 4; ++i) packet[1 + i] = static_cast<std::uint8_t>(version_2 >> (24 - 8 * i));
  packet.resize(1199);
  world.inject(packet);
  EXPECT_TRUE(world.answers.empty());
  EXPECT_EQ(world.endpoint->stats().dropped_short_initial, 1u);
  packet.resize(1200);
  world.inject(packet);
  ASSERT_EQ(world.answers.size(), 1u);
  EXPECT_EQ(version_of(world.answers[0].bytes), 0u);
}

TEST(HostilePackets, VersionNegotiationSentToAServerIsIgnored) {
  Attacked world;
  world.start();
  Octets packet{0xc0, 0, 0, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 4, 1, 1, 1, 1, 0, 0, 0, 1};
  packet.resize(1200);
  world.inject(packet);
  EXPECT_TRUE(world.answers.empty());
}

TEST(HostilePackets, UnknownShortHeaderGetsASmallerLimitedReset) {
  Attacked world;
  world.start();
  Octets packet(1000, 0x40);
  std::fill_n(packet.begin() + 1, 3, 0);  // our own server and worker
  world.inject(packet);
  ASSERT_EQ(world.answers.size(), 1u);
  EXPECT_FALSE(is_long(world.answers[0].bytes));
  EXPECT_LT(world.answers[0].bytes.size(), 50u);
  packet.resize(30);
  world.inject(packet);
  ASSERT_EQ(world.answers.size(), 2u);
  EXPECT_EQ(world.answers[1].bytes.size(), 29u) << "RFC 9000 §10.3.3";
  packet.resize(22);
  world.inject(packet);
  ASSERT_EQ(world.answers.size(), 3u);
  EXPECT_EQ(world.answers[2].bytes.size(), 21u) << "as short as a stateless reset may be";
  packet.resize(21);
  world.inject(packet);
  EXPECT_EQ(world.answers.size(), 3u);
  packet.resize(1000);
  for (int i = 0; i < 5000; ++i) world.inject(packet);
  EXPECT_LE(world.answers.size(), 102u);
}

TEST(HostilePackets, TwoEndpointsDoNotResetEachOtherForever) {
  Attacked world;
  world.start();
  // The other end is an endpoint as well.
  Endpoint other(world.environment, world.link.client, world.server_options,
                 [](Connection&) -> std::unique_ptr<Application> { return nullptr; });
  Octets packet(1000, 0x40);
  std::fill_n(packet.begin() + 1, 3, 0);
  world.inject(packet, world.link.client.net_path().local);
  world.simulation.run_for(10s);
  EXPECT_LE(world.endpoint->stats().stateless_resets_sent + other.stats().stateless_resets_sent, 30u);
}

TEST(HostilePackets, AnotherOwnersConnectionIsHandedOnNotReset) {
  Attacked world;
  world.server_options.owner = {.server = 3, .worker = 1};
  world.start();
  Octets packet(1000, 0x40);
  packet[1] = 2;
  packet[2] = 0;
  packet[3] = 3;
  world.inject(packet);
  EXPECT_TRUE(world.answers.empty());
  std::vector<ConnectionIdOwner> owners;
  net::Ecn mark{};
  world.endpoint->set_stray_handler(
      [&](const ConnectionIdOwner& owner, const net::NetPath&, Bytes, net::Ecn ecn) {
        owners.push_back(owner);
        mark = ecn;
      });
  world.link.server.inject(attacker, packet, net::Ecn::ce);
  EXPECT_EQ(mark, net::Ecn::ce);
  EXPECT_TRUE(world.answers.empty());
  EXPECT_EQ(owners, (std::vector<ConnectionIdOwner>{{.server = 3, .worker = 2}}));
}

TEST(HostilePackets, GarbageOfAllSizesIsDropped) {
  Attacked world;
  world.start();
  SeededRandom random(5);
  for (std::size_t size = 1; size < 1300; ++size) {
    Octets packet(size);
    random.fill(packet);
    world.inject(packet);
    packet[0] |= 0xc0;
    if (size > 5) packet[1] = packet[2] = packet[3] = 0, packet[4] = 1;
    world.inject(packet);
  }
  EXPECT_EQ(world.endpoint->stats().handshakes_completed, 0u);
  ASSERT_TRUE(world.establish());  // other connections are not affected
}

TEST(HostilePackets, GarbageBehindAnInitialIsDropped) {
  Attacked world;
  world.start();
  Octets packet = world.initial(hello_without_end());
  test::append(packet, Octets{0xe3, 0, 0, 0, 1, 8, 9, 8, 7});  // cut off
  world.inject(packet);
  EXPECT_EQ(world.endpoint->stats().half_open, 1u);
  Octets second =
      PacketForge::initial(some_id).initial_packet(some_id, source_id, {}, 1, hello_without_end());
  test::append(second, Octets{0x43, 9, 8, 7, 6, 5, 4, 3, 2, 1});  // too short for header protection
  world.inject(second);
  EXPECT_EQ(world.endpoint->stats().half_open, 1u);
}

}  // namespace
}  // namespace sallyport::quic
