// TCP of the simulated network when it fails: each way of it is the error that the kernel's would be, and in
// time.
#include "tcp_scene.h"

namespace sallyport::sim {
namespace {

TEST(SimTcpFailure, AClosedPortRefuses) {
  TcpScene scene;
  const auto refused = scene.connect({scene.address(1)}, 10s);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::refused);
  EXPECT_NE(refused.error().message.find(scene.address(1).to_string()), std::string::npos);
  EXPECT_LT(scene.network.elapsed(), 100ms);
}

TEST(SimTcpFailure, AListenerThatClosesRefusesWhoWaits) {
  TcpScene scene;
  scene.listener->close();
  const auto refused = scene.connect({scene.address()}, 10s);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::refused);
}

TEST(SimTcpFailure, AListenerMayGoInTheCallOfWhatItHandsOut) {
  TcpScene scene;
  scene.listener.reset();
  scene.listener = std::move(
      *scene.server.listen_tcp(scene.address(), {}, [&](TcpScene::Stream) { scene.listener.reset(); }));
  EXPECT_TRUE(scene.connect({scene.address()}, 10s));
  scene.network.run_for(1s);
  EXPECT_EQ(scene.listener, nullptr);
}

TEST(SimTcpFailure, ABlackHoleIsATimeout) {
  TcpScene scene;
  scene.server.set_tcp_down(true);
  const auto late = scene.connect({scene.address()}, 3s);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  EXPECT_EQ(scene.network.elapsed(), 3s);
}

TEST(SimTcpFailure, AnotherFamilyIsUnreachable) {
  TcpScene scene;
  const Host& v6 = scene.network.add_v6_host("six");
  const auto unreachable = scene.connect({{v6.address(), 443}}, 3s);
  ASSERT_FALSE(unreachable);
  EXPECT_EQ(unreachable.error().kind, ErrorKind::unreachable);
}

TEST(SimTcpFailure, ASynThatIsLostIsSentAgain) {
  TcpScene scene;
  scene.server.set_tcp_down(true);
  scene.network.after(1500ms, [&] { scene.server.set_tcp_down(false); });
  EXPECT_TRUE(scene.connect({scene.address()}, 10s));
  EXPECT_GT(scene.network.elapsed(), 3s);
  EXPECT_LT(scene.network.elapsed(), 3100ms);
}

TEST(SimTcpFailure, TheNextAddressIsTriedSoon) {
  TcpScene scene;
  const net::SocketAddress silent(scene.network.free_address(), 443);
  EXPECT_TRUE(scene.connect({silent, scene.address()}, 10s));
  EXPECT_GT(scene.network.elapsed(), 250ms);
  EXPECT_LT(scene.network.elapsed(), 300ms);
}

TEST(SimTcpFailure, TheNextAddressIsTriedAtOnceAfterARefusal) {
  TcpScene scene;
  EXPECT_TRUE(scene.connect({scene.address(1), scene.address()}, 10s));
  EXPECT_LT(scene.network.elapsed(), 200ms);

  const net::SocketAddress silent(scene.network.free_address(), 443);
  const auto late = scene.connect({scene.address(1), silent}, 3s);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
}

TEST(SimTcpFailure, AnAttemptThatIsDroppedIsSilent) {
  TcpScene scene;
  auto connecting = scene.client.open_tcp({scene.address()}, 10s, [](auto) { FAIL(); }, nullptr);
  connecting.reset();
  scene.network.run_for(10s);
  EXPECT_EQ(scene.client.open_connections(), 0u);
}

TEST(SimTcpFailure, AResetInMidTransferIsAnErrorAtBothEnds) {
  for (const bool at_client : {false, true}) {
    TcpScene scene;
    scene.establish();
    scene.near->write(content_chunk(0, 2'000'000));
    scene.network.run_for(50ms);
    (at_client ? scene.client : scene.server).reset_tcp_connections();
    scene.network.run_for(1s);
    ASSERT_TRUE(scene.at_near.error);
    ASSERT_TRUE(scene.at_far.error);
    EXPECT_EQ(scene.at_near.error->kind, ErrorKind::closed);
    EXPECT_GT(scene.at_far.content.bytes(), 0u);
    EXPECT_FALSE(scene.at_far.ended);
    EXPECT_EQ(scene.near->queued_bytes(), 0u);
    EXPECT_EQ(scene.client.open_connections() + scene.server.open_connections(), 0u);
  }
}

TEST(SimTcpFailure, WhatWasCutShortLooksLikeAFailureToThePeer) {
  TcpScene scene;
  scene.establish();
  scene.far->write(content_chunk(0, 1000));
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_near.has_all(1000); }, 10s));
  scene.far->close();
  scene.network.run_for(1s);
  EXPECT_TRUE(scene.at_near.error);
  EXPECT_FALSE(scene.at_near.ended);
}

TEST(SimTcpFailure, WhatCameBeforeAResetIsStillRead) {
  TcpScene scene;
  scene.establish();
  scene.near->set_reading(false);
  scene.far->write(content_chunk(0, 1000));
  scene.network.run_for(1s);
  scene.far->close();
  scene.network.run_for(1s);
  EXPECT_FALSE(scene.at_near.error);  // who neither reads nor writes does not hear of it
  scene.near->set_reading(true);
  scene.network.run_for(1s);
  EXPECT_TRUE(scene.at_near.has_all(1000));
  EXPECT_TRUE(scene.at_near.error);
}

TEST(SimTcpFailure, ClosingWithoutHavingReadAllResetsThePeer) {
  TcpScene scene;
  scene.establish();
  scene.far->set_reading(false);
  scene.near->write(content_chunk(0, 1000));
  scene.network.run_for(1s);
  scene.far->finish();
  scene.far.reset();
  scene.network.run_for(1s);
  EXPECT_TRUE(scene.at_near.error);
}

TEST(SimTcpFailure, DataForNobodyResetsItsSender) {
  TcpScene scene;
  scene.establish();
  scene.far->finish();
  scene.far.reset();
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_near.ended; }, 10s));
  scene.near->write(content_chunk(0, 1000));
  scene.network.run_for(1s);
  EXPECT_FALSE(scene.at_near.error);  // nothing is left to read or to write
  scene.near->write(content_chunk(1000, 1));
  scene.network.run_for(1s);
  EXPECT_TRUE(scene.at_near.error);
}

TEST(SimTcpFailure, ANewPortIsAnotherConnectionToTheServer) {
  TcpScene scene;
  scene.establish();
  scene.client.rebind_ports();
  scene.near->write(content_chunk(0, 1000));
  scene.network.run_for(1s);
  ASSERT_TRUE(scene.at_near.error);
  EXPECT_EQ(scene.at_far.content.bytes(), 0u);
}

TEST(SimTcpFailure, ASenderGivesUpInTheEnd) {
  TcpScene scene;
  scene.establish();
  scene.server.set_tcp_down(true);
  scene.near->write(content_chunk(0, 1000));
  EXPECT_TRUE(scene.network.run_until([&] { return scene.at_near.error.has_value(); }, 10 * 60s));
  EXPECT_EQ(scene.at_near.error->kind, ErrorKind::timeout);
  EXPECT_GT(scene.network.elapsed(), 60s);
}

}  // namespace
}  // namespace sallyport::sim
