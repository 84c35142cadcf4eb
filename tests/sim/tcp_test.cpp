// TCP of the simulated network: it is a ByteStream as the kernel's is, whatever the links do to its segments.
#include "tcp_scene.h"
#include "tcp_segment.h"

#include <string>
#include <vector>

#include <fmt/format.h>

namespace sallyport::sim {
namespace {

void make_bad(LinkProfile& link) {
  link.loss = link.reorder = 0.05;
  link.corrupt = link.duplicate = 0.01;
  link.jitter = 3ms;
}

TEST(SimTcp, DataArrivesIntactBothWaysOverBadLinks) {
  constexpr std::size_t up = 300'000, down = 200'000;
  std::uint64_t corrupted = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    TcpScene scene(seed);
    scene.each_link(make_bad);
    scene.establish();
    ASSERT_NE(scene.near, nullptr);
    scene.near->write(content_chunk(0, up));
    scene.near->finish();
    scene.far->write(content_chunk(0, down));
    scene.far->finish();
    EXPECT_TRUE(scene.network.run_until([&] { return scene.at_near.ended && scene.at_far.ended; }, 10 * 60s));
    EXPECT_TRUE(scene.at_far.has_all(up));
    EXPECT_TRUE(scene.at_near.has_all(down));
    EXPECT_FALSE(scene.at_near.error || scene.at_far.error);
    EXPECT_GT(scene.client.up.counters().lost, 0u);
    corrupted += scene.client.up.counters().corrupted;
  }
  EXPECT_GT(corrupted, 0u);
}

TEST(SimTcp, FillsACleanLink) {
  TcpScene scene;
  scene.establish();
  scene.near->write(content_chunk(0, 10'000'000));
  scene.near->finish();
  const Time began = scene.network.now();
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_far.ended; }, 60s));
  EXPECT_TRUE(scene.at_far.has_all(10'000'000));
  // 100 Mbit/s take 0.8 s for them.
  EXPECT_LT(scene.network.now() - began, 1200ms);
}

TEST(SimTcp, NothingLeavesBeforeTheTurnsEnd) {
  std::vector<std::size_t> sizes;  // longer there than the scene, whose end sends segments too
  TcpScene scene;
  scene.establish();
  scene.near->write(as_bytes("one"));
  scene.near->write(as_bytes("two"));
  EXPECT_EQ(scene.near->queued_bytes(), 6u);
  scene.network.set_filter([&](const Packet& packet) {
    if (packet.path.remote.port() == 443) sizes.push_back(packet.bytes.size());
    return true;
  });
  scene.network.run_for(1s);
  EXPECT_EQ(sizes, std::vector<std::size_t>{tcp_header_size + 6});
  EXPECT_EQ(scene.near->queued_bytes(), 0u);
}

TEST(SimTcp, EachDirectionEndsByItself) {
  TcpScene scene;
  scene.establish();
  scene.near->write(content_chunk(0, 1000));
  scene.near->finish();
  scene.near->write(as_bytes("too late"));
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_far.ended; }, 10s));
  EXPECT_TRUE(scene.at_far.has_all(1000));
  scene.network.run_for(90s);  // what has ended halfway goes on for as long as it is held
  scene.far->write(content_chunk(0, 100'000));
  scene.far->finish();
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_near.ended; }, 10s));
  EXPECT_TRUE(scene.at_near.has_all(100'000));
  EXPECT_FALSE(scene.at_near.error || scene.at_far.error);
}

TEST(SimTcp, ClosingAfterTheEndStillDeliversAll) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    TcpScene scene(seed);
    scene.each_link(make_bad);
    scene.establish();
    ASSERT_NE(scene.near, nullptr);
    scene.far->write(content_chunk(0, 100'000));
    scene.far->finish();
    scene.far.reset();
    EXPECT_EQ(scene.server.open_connections(), 0u);
    EXPECT_TRUE(scene.network.run_until([&] { return scene.at_near.ended; }, 10 * 60s));
    EXPECT_TRUE(scene.at_near.has_all(100'000));
    scene.near->finish();
    scene.network.run_for(10 * 60s);
    EXPECT_FALSE(scene.at_near.error);
  }
}

TEST(SimTcp, AReaderThatPausesHoldsTheWriterBack) {
  constexpr std::size_t all = 8 * 1024 * 1024, piece = 64 * 1024;
  TcpScene scene;
  scene.establish();
  scene.far->set_reading(false);
  std::size_t written = 0;
  const auto fill = [&] {
    while (scene.near->queued_bytes() <= net::ByteStream::high_water && written < all) {
      scene.near->write(content_chunk(written, piece));
      written += piece;
    }
  };
  scene.at_near.room = fill;
  fill();
  scene.network.run_for(10 * 60s);  // the peer answers probes of its window for as long as it likes
  EXPECT_EQ(scene.at_far.content.bytes(), 0u);
  // The two buffers, of 256 KiB each, and what may be queued above them.
  EXPECT_LE(written, 2 * 256 * 1024 + net::ByteStream::high_water + piece);
  EXPECT_GE(written, 2 * 256 * 1024u);
  EXPECT_FALSE(scene.at_near.error);

  scene.far->set_reading(true);
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_far.content.bytes() == all; }, 60s));
  EXPECT_TRUE(scene.at_far.content.intact());
}

TEST(SimTcp, AReaderMayPauseInTheMiddle) {
  TcpScene scene;
  scene.establish();
  int reads = 0;
  scene.at_far.read = [&] {
    ++reads;
    scene.far->set_reading(false);
    scene.network.after(10ms, [&] { scene.far->set_reading(true); });
  };
  scene.near->write(content_chunk(0, 1'000'000));
  scene.near->finish();
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_far.ended; }, 60s));
  EXPECT_TRUE(scene.at_far.has_all(1'000'000));
  EXPECT_GE(reads, 1'000'000 / (64 * 1024));
}

TEST(SimTcp, ASenderIsToldWhenAWindowOpensEvenIfTheWordOfItIsLost) {
  TcpScene scene;
  scene.establish();
  scene.far->set_reading(false);
  scene.near->write(content_chunk(0, 600'000));
  scene.network.run_for(10s);
  scene.server.set_tcp_down(true);
  scene.far->set_reading(true);
  scene.network.run_for(1s);
  EXPECT_EQ(scene.at_far.content.bytes(), 256u * 1024);
  scene.server.set_tcp_down(false);
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_far.content.bytes() == 600'000; }, 60s));
}

TEST(SimTcp, SaysWritableOnlyAfterTheQueueHadBeenTooLong) {
  TcpScene scene;
  scene.establish();
  scene.near->write(content_chunk(0, net::ByteStream::high_water));
  scene.network.run_for(10s);
  EXPECT_EQ(scene.at_near.writable, 0);
  scene.far->set_reading(false);  // both buffers get full
  scene.near->write(content_chunk(net::ByteStream::high_water, 3 * net::ByteStream::high_water));
  EXPECT_EQ(scene.at_near.writable, 0);
  scene.network.run_for(10s);
  EXPECT_EQ(scene.near->queued_bytes(), net::ByteStream::high_water);
  EXPECT_EQ(scene.at_near.writable, 0);
  scene.at_near.room = [&] { EXPECT_LE(scene.near->queued_bytes(), net::ByteStream::high_water / 2); };
  scene.far->set_reading(true);
  scene.network.run_for(10s);
  EXPECT_EQ(scene.at_near.writable, 1);
}

TEST(SimTcp, CallbacksMayDestroyTheStream) {
  TcpScene scene;
  scene.establish();
  scene.at_far.read = [&] { scene.far.reset(); };
  scene.near->write(content_chunk(0, 300'000));
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_near.error.has_value(); }, 10s));
  EXPECT_EQ(scene.far, nullptr);

  TcpScene other;
  other.establish();
  other.at_far.end = [&] { other.far.reset(); };
  other.near->finish();
  EXPECT_TRUE(other.network.run_until([&] { return other.far == nullptr; }, 10s));
}

TEST(SimTcp, ItsSegmentsFitTheLinksOfBothEnds) {
  TcpScene scene;
  scene.client.down.profile.mtu = 1280;
  scene.establish();
  scene.far->write(content_chunk(0, 100'000));
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_near.has_all(100'000); }, 10s));
  EXPECT_EQ(scene.client.down.counters().too_large, 0u);
}

TEST(SimTcp, NamesItsEndsAsTheOtherSeesThem) {
  TcpScene scene;
  scene.establish();
  EXPECT_EQ(scene.near->net_path().remote, scene.address());
  EXPECT_EQ(scene.far->net_path().local, scene.address());
  EXPECT_EQ(scene.near->net_path().local, scene.far->net_path().remote);
}

TEST(SimTcp, AGroupSharesAPortAndOthersAreRefused) {
  Network network(1);
  Host& client = network.add_host("client");
  Host& server = network.add_host("server");
  std::vector<std::unique_ptr<net::ByteStream>> ends;
  std::vector<std::size_t> taken(2);
  std::vector<std::unique_ptr<net::TcpListener>> group;
  const net::SocketAddress wildcard(net::IpAddress(), 443);
  for (std::size_t i = 0; i < 2; ++i)
    group.push_back(std::move(*server.listen_tcp(wildcard, {.reuse_port = true}, [&, i](auto stream) {
      ++taken[i];
      ends.push_back(std::move(stream));
    })));
  const auto refused = server.listen_tcp({server.address(), 443}, {}, [](auto) {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::resource);
  EXPECT_FALSE(server.listen_tcp({client.address(), 443}, {}, [](auto) {}));

  std::vector<std::unique_ptr<net::TcpConnecting>> connecting;
  for (int i = 0; i < 20; ++i)
    connecting.push_back(client.open_tcp(
        {{server.address(), 443}}, 10s, [&](auto result) { ends.push_back(std::move(*result)); }, nullptr));
  EXPECT_TRUE(network.run_until([&] { return ends.size() == 40; }, 10s));
  EXPECT_GT(taken[0], 0u);
  EXPECT_GT(taken[1], 0u);
}

std::string trace_of(std::uint64_t seed) {
  std::string trace;  // as above
  TcpScene scene(seed);
  scene.each_link(make_bad);
  scene.network.set_filter([&](const Packet& packet) {
    EXPECT_EQ(packet.protocol, Protocol::tcp);
    trace += fmt::format("{} {} {}\n", scene.network.elapsed().count(), packet.path.remote.to_string(),
                         packet.bytes.size());
    return true;
  });
  scene.establish();
  if (scene.near == nullptr) return trace;
  scene.near->write(content_chunk(0, 100'000));
  scene.near->finish();
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_far.ended; }, 10 * 60s));
  return trace;
}

TEST(SimTcp, SameSeedSameSegments) {
  const std::string first = trace_of(1);
  EXPECT_GT(first.size(), 1000u);
  EXPECT_TRUE(first == trace_of(1));
  EXPECT_TRUE(first != trace_of(2));
}

}  // namespace
}  // namespace sallyport::sim
