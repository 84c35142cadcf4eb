#include "net/udp_socket.h"

#include "net/udp_for_test.h"
#include "net/udp_send.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

using namespace test;

TEST(UdpSocket, ARunArrivesWholeWithItsSegmentsAndEcnOnBothFamilies) {
  for (const char* ip : {"127.0.0.1", "::1"}) {
    EventLoop loop;
    Receiver receiver;
    const auto server = bound(loop, ip);
    server->set_receiver(&receiver);
    const auto client = connected(loop, server->net_path().local);
    const auto bytes = pattern(20 * 1200 + 300);
    const DatagramRun run{bytes, 1200, Ecn::ect0};
    EXPECT_EQ(client->send({}, run), SendStatus::sent);
    run_until(loop, [&] { return receiver.all().size() == 21; });
    EXPECT_EQ(receiver.all(), segments_of(run));
    EXPECT_EQ(receiver.runs[0].ecn, Ecn::ect0);
    EXPECT_EQ(receiver.runs[0].path.remote, client->net_path().local);
    EXPECT_EQ(client->stats().send_calls, 1u);
    EXPECT_EQ(client->stats().datagrams_out, 21u);
    EXPECT_EQ(client->stats().bytes_out, bytes.size());
    EXPECT_EQ(server->stats().receive_calls, 1u);  // GRO kept the run together
    EXPECT_EQ(server->stats().datagrams_in, 21u);
    EXPECT_EQ(server->stats().bytes_in, bytes.size());
  }
}

TEST(UdpSocket, EachEcnMarkIsCarried) {
  EventLoop loop;
  Receiver receiver;
  const auto server = bound(loop, "::");  // dual-stack: both families' ancillary data
  server->set_receiver(&receiver);
  for (const char* ip : {"127.0.0.1", "::1"}) {
    const auto client =
        connected(loop, SocketAddress(IpAddress::parse(ip).value(), server->net_path().local.port()));
    for (const Ecn ecn : {Ecn::not_ect, Ecn::ect1, Ecn::ect0, Ecn::ce}) {
      receiver.runs.clear();
      EXPECT_EQ(client->send({}, {as_bytes("x"), 1, ecn}), SendStatus::sent);
      run_until(loop, [&] { return !receiver.runs.empty(); });
      EXPECT_EQ(receiver.runs[0].ecn, ecn) << ip;
    }
  }
}

TEST(UdpSocket, RunsLongerThanACallTakesAreSplitAtDatagrams) {
  EventLoop loop;
  Receiver receiver;
  const auto server = bound(loop, "127.0.0.1");
  server->set_receiver(&receiver);
  const auto client = connected(loop, server->net_path().local);
  for (const auto& [size, segment] : {std::pair{200 * 100 + 7, 100},  // more than 64 segments
                                      std::pair{60 * 1400, 1400},     // more than 65,507 bytes
                                      std::pair{3 * 40000, 40000},    // too long to join any two
                                      std::pair{500, 1400}}) {        // one, shorter than its segment
    receiver.runs.clear();
    const auto bytes = pattern(static_cast<std::size_t>(size));
    const DatagramRun run{bytes, static_cast<std::size_t>(segment), Ecn::not_ect};
    EXPECT_EQ(client->send({}, run), SendStatus::sent);
    run_until(loop, [&] { return receiver.all().size() == run.count(); });
    EXPECT_EQ(receiver.all(), segments_of(run));
  }
}

TEST(UdpSocket, AnswersFromTheAddressThatWasAskedOnAWildcard) {
  EventLoop loop;
  UdpSocketOptions options;
  options.packet_info = true;
  const auto server = bound(loop, "::", options);
  Receiver at_server;
  server->set_receiver(&at_server);
  for (const char* ip : {"127.0.0.1", "127.0.0.77", "::1"}) {
    const SocketAddress asked(IpAddress::parse(ip).value(), server->net_path().local.port());
    const auto client = connected(loop, asked);  // would not accept an answer from another address
    Receiver at_client;
    client->set_receiver(&at_client);
    EXPECT_EQ(client->send({}, {as_bytes("question"), 8}), SendStatus::sent);
    run_until(loop, [&] { return !at_server.runs.empty(); });
    const NetPath path = at_server.runs[0].path;
    EXPECT_EQ(path.local.ip().unmapped(), asked.ip());
    EXPECT_EQ(path.local.port(), asked.port());
    const auto bytes = pattern(3000);
    EXPECT_EQ(server->send(path, {bytes, 1000, Ecn::ect0}), SendStatus::sent);
    run_until(loop, [&] { return at_client.all().size() == 3; });
    EXPECT_EQ(at_client.runs[0].ecn, Ecn::ect0);
    EXPECT_EQ(at_client.runs[0].path.remote, asked);
    at_server.runs.clear();
  }
}

TEST(UdpSocket, TooLargeIsRefusedAndCounted) {
  EventLoop loop;
  const auto server = bound(loop, "127.0.0.1");
  const auto client = connected(loop, server->net_path().local);
  EXPECT_EQ(client->max_datagram_size(), 65507u);
  EXPECT_EQ(connected(loop, SocketAddress(IpAddress::parse("::1").value(), 9))->max_datagram_size(), 65527u);
  const auto bytes = pattern(65508);
  EXPECT_EQ(client->send({}, {bytes, bytes.size()}), SendStatus::too_large);
  EXPECT_EQ(client->stats().dropped_too_large, 1u);
  EXPECT_EQ(client->send({}, {Bytes(bytes).first(65507), 65507}), SendStatus::sent);
}

TEST(UdpSocket, WhatTheDeviceRefusesLowersTheMaximumAndKeepsSegmentation) {
  const bool ran = in_narrow_namespace(1500, [] {
    for (const auto& [ip, fits] : {std::pair{"127.0.0.1", 1472u}, std::pair{"::1", 1452u}}) {
      EventLoop loop;
      const auto server = bound(loop, ip);
      const auto client = connected(loop, server->net_path().local);
      Receiver at_client;
      client->set_receiver(&at_client);
      const auto bytes = pattern(8000);
      EXPECT_EQ(client->send({}, {bytes, 1600}), SendStatus::too_large);
      EXPECT_EQ(client->stats().dropped_too_large, 5u);
      EXPECT_EQ(client->max_datagram_size(), fits);
      run_until(loop, [&] { return at_client.max_datagram == fits; });
      EXPECT_EQ(client->send({}, {bytes, fits + 1}), SendStatus::too_large);

      Receiver at_server;
      server->set_receiver(&at_server);
      const std::uint64_t calls = client->stats().send_calls;
      EXPECT_EQ(client->send({}, {bytes, fits}), SendStatus::sent);
      EXPECT_EQ(client->stats().send_calls, calls + 1);
      run_until(loop, [&] { return at_server.all().size() == 6; });

      EXPECT_EQ(server->send(at_server.runs[0].path, {bytes, 1600}), SendStatus::too_large);
      EXPECT_EQ(server->max_datagram_size(),
                std::string(ip) == "::1" ? 65527u : 65507u);  // other paths may be wider
    }
  });
  if (!ran) GTEST_SKIP() << "needs CAP_SYS_ADMIN for a network namespace";
}

TEST(UdpSocket, BelowWhatQuicNeedsTheMaximumFallsByTheSecondRefusalInARow) {
  const bool ran = in_narrow_namespace(1000, [] {
    EventLoop loop;
    const auto server = bound(loop, "127.0.0.1");
    const auto client = connected(loop, server->net_path().local);
    const auto bytes = pattern(1200);
    const DatagramRun run{bytes, bytes.size()};
    EXPECT_EQ(client->send({}, run), SendStatus::too_large);
    EXPECT_EQ(client->max_datagram_size(), 1200u);
    EXPECT_EQ(client->send({}, {as_bytes("small"), 5}), SendStatus::sent);
    EXPECT_EQ(client->send({}, run), SendStatus::too_large);
    EXPECT_EQ(client->max_datagram_size(), 1200u);
    EXPECT_EQ(client->send({}, run), SendStatus::too_large);
    EXPECT_EQ(client->max_datagram_size(), 1199u);
  });
  if (!ran) GTEST_SKIP() << "needs CAP_SYS_ADMIN for a network namespace";
}

TEST(UdpSender, WithoutSegmentationTheSameDatagramsLeaveOneByOne) {
  EventLoop loop;
  Receiver receiver;
  const auto server = bound(loop, "127.0.0.1");
  server->set_receiver(&receiver);
  const auto client = connected(loop, server->net_path().local);
  UdpSender sender(client->fd(), {.connected = true, .segmentation = false});
  const auto bytes = pattern(70 * 500 + 1);
  const DatagramRun run{bytes, 500, Ecn::ect1};
  const auto outcome = sender.send({}, run);
  EXPECT_EQ(outcome.error, 0);
  EXPECT_EQ(outcome.taken, bytes.size());
  EXPECT_EQ(outcome.calls, 2u);
  run_until(loop, [&] { return receiver.all().size() == 71; });
  EXPECT_EQ(receiver.all(), segments_of(run));
  EXPECT_EQ(receiver.runs[0].ecn, Ecn::ect1);
}

TEST(UdpSender, ARefusalOfSegmentationIsLearntAndNothingIsLost) {
  EventLoop loop;
  Receiver receiver;
  const auto server = bound(loop, "127.0.0.1");
  server->set_receiver(&receiver);
  const auto client = connected(loop, server->net_path().local);
  const int no_checksum =
      1;  // for which the kernel refuses UDP_SEGMENT, as it does on devices without checksums
  ASSERT_EQ(::setsockopt(client->fd(), SOL_SOCKET, SO_NO_CHECK, &no_checksum, sizeof no_checksum), 0);
  UdpSender sender(client->fd(), {.connected = true});
  const auto bytes = pattern(5000);
  const DatagramRun run{bytes, 1000};
  for (unsigned i = 0; i < UdpSender::believed_refusals; ++i) {
    EXPECT_TRUE(sender.segmentation());
    receiver.runs.clear();
    EXPECT_EQ(sender.send({}, run).taken, bytes.size());
    run_until(loop, [&] { return receiver.all().size() == 5; });
    EXPECT_EQ(receiver.all(), segments_of(run));
  }
  EXPECT_FALSE(sender.segmentation());
  EXPECT_EQ(sender.send({}, run).calls, 1u);  // no second try with UDP_SEGMENT
}

TEST(UdpSocket, AFullSocketKeepsWhatItTookInOrderAndSaysWhenThereIsRoom) {
  // A Unix datagram socket fills up when its peer does not read, which no UDP socket on loopback does.
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
  EventLoop loop;
  const UniqueFd peer(fds[1]);
  const auto socket = std::move(*UdpSocket::adopt(loop, UniqueFd(fds[0]), any_port("127.0.0.1")));
  Receiver receiver;
  bool writable = false;
  receiver.writable = [&] { writable = true; };
  socket->set_receiver(&receiver);

  std::size_t taken = 0;
  const auto send_next = [&] {
    std::vector<std::uint8_t> bytes(60000);
    std::memcpy(bytes.data(), &taken, sizeof taken);
    const SendStatus status = socket->send({}, {bytes, bytes.size()});
    if (status != SendStatus::dropped) ++taken;
    return status;
  };
  while (send_next() == SendStatus::sent) ASSERT_LT(taken, 1000u);
  while (send_next() == SendStatus::blocked) ASSERT_LT(taken, 1000u);
  EXPECT_EQ(socket->stats().dropped_backlog, 1u);
  EXPECT_GT(taken, 15u);

  std::size_t read = 0;
  run_until(loop, [&] {
    std::vector<std::uint8_t> bytes(65536);
    while (::recv(peer.get(), bytes.data(), bytes.size(), 0) == 60000) {
      std::size_t number = 0;
      std::memcpy(&number, bytes.data(), sizeof number);
      EXPECT_EQ(number, read++);
    }
    return read == taken;
  });
  run_until(loop, [&] { return writable; });
  EXPECT_EQ(socket->stats().datagrams_out, taken);
  EXPECT_EQ(send_next(), SendStatus::sent);
}

TEST(UdpSocket, DatagramsWithoutPayloadArriveInTheirPlaceOnBothFamilies) {
  for (const char* ip : {"127.0.0.1", "::1"}) {
    SCOPED_TRACE(ip);
    EventLoop loop;
    Receiver server_side;
    Receiver client_side;
    const auto server = bound(loop, ip);
    server->set_receiver(&server_side);
    const auto client = connected(loop, server->net_path().local);
    client->set_receiver(&client_side);
    const std::vector<std::string> sent{"before", "", "after", "", ""};
    for (const auto& payload : sent)
      EXPECT_EQ(client->send({}, {as_bytes(payload), payload.size(), Ecn::ect0}), SendStatus::sent);
    run_until(loop, [&] { return server_side.all().size() == sent.size(); });
    EXPECT_EQ(server_side.all(), sent);
    EXPECT_EQ(server_side.runs[1].path.remote, client->net_path().local);
    EXPECT_EQ(server_side.runs[1].ecn, Ecn::ect0);
    EXPECT_EQ(client->stats().datagrams_out, sent.size());
    EXPECT_EQ(server->stats().datagrams_in, sent.size());

    for (const auto& payload : sent)
      server->send(server_side.runs[0].path, {as_bytes(payload), payload.size()});
    run_until(loop, [&] { return client_side.all().size() == sent.size(); });
    EXPECT_EQ(client_side.all(), sent);
    EXPECT_EQ(client->stats().datagrams_in, sent.size());
  }
}

TEST(UdpSocket, AFullSocketKeepsDatagramsWithoutPayloadInTheirPlaceAndNotWithoutEnd) {
  std::array<int, 2> fds{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()), 0);
  EventLoop loop;
  const UniqueFd peer(fds[1]);
  const auto socket = std::move(*UdpSocket::adopt(loop, UniqueFd(fds[0]), any_port("127.0.0.1")));
  Receiver receiver;
  socket->set_receiver(&receiver);
  const std::string full(50000, 'x');
  std::size_t sent = 0;
  for (; socket->send({}, {as_bytes(full), full.size()}) == SendStatus::sent; ++sent) ASSERT_LT(sent, 1000u);
  EXPECT_EQ(socket->send({}, {}), SendStatus::blocked);
  EXPECT_EQ(socket->send({}, {as_bytes("end"), 3}), SendStatus::blocked);
  std::size_t kept = 0;
  while (socket->send({}, {}) == SendStatus::blocked) ASSERT_LT(++kept, 100'000u);
  EXPECT_EQ(socket->stats().dropped_backlog, 1u);

  std::vector<std::size_t> sizes;
  run_until(loop, [&] {
    std::vector<std::uint8_t> bytes(65536);
    for (ssize_t size = 0; (size = ::recv(peer.get(), bytes.data(), bytes.size(), 0)) >= 0;)
      sizes.push_back(static_cast<std::size_t>(size));
    return sizes.size() == sent + 3 + kept;
  });
  EXPECT_EQ(sizes[sent], full.size());  // the one that found the socket full
  EXPECT_EQ(sizes[sent + 1], 0u);
  EXPECT_EQ(sizes[sent + 2], 3u);
  EXPECT_EQ(socket->stats().datagrams_out, sizes.size());
}

TEST(UdpSocket, PausesReadingAndCountsWhatTheKernelDropped) {
  EventLoop loop;
  UdpSocketOptions options;
  options.receive_buffer = 8192;
  const auto server = bound(loop, "127.0.0.1", options);
  const auto client = connected(loop, server->net_path().local);
  Receiver receiver;
  server->set_receiver(&receiver);
  server->set_reading(false);
  const auto bytes = pattern(1000);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(client->send({}, {bytes, bytes.size()}), SendStatus::sent);
  run_turns(loop, 5);
  EXPECT_TRUE(receiver.runs.empty());
  server->set_reading(true);
  run_until(loop, [&] { return !receiver.runs.empty(); });
  // The kernel reports the count with datagrams received after the overflow.
  EXPECT_EQ(client->send({}, {bytes, bytes.size()}), SendStatus::sent);
  run_until(loop, [&] { return server->stats().dropped_kernel > 0; });
  EXPECT_EQ(server->stats().dropped_kernel + server->stats().datagrams_in, 101u);
}

TEST(UdpSocket, TheReceiverMayDestroyTheSocketInTheMiddleOfABatch) {
  EventLoop loop;
  auto server = bound(loop, "127.0.0.1");
  const auto client = connected(loop, server->net_path().local);
  Receiver receiver;
  receiver.then = [&] { server.reset(); };
  server->set_receiver(&receiver);
  for (const char* text : {"one", "two!"}) client->send({}, {as_bytes(text), 4});
  run_until(loop, [&] { return server == nullptr; });
  EXPECT_EQ(receiver.runs.size(), 1u);
}

TEST(UdpSocket, ABusySocketLeavesTimeForTheOthers) {
  EventLoop loop;
  const auto busy = bound(loop, "127.0.0.1");
  const auto client = connected(loop, busy->net_path().local);
  Receiver at_busy;
  int turns = 0;
  Deferred end_of_turn(loop.timers(), [&](Time) { ++turns; });
  at_busy.then = [&] { end_of_turn.request(); };
  busy->set_receiver(&at_busy);
  const auto bytes = pattern(60000);
  for (int i = 0; i < 60; ++i) client->send({}, {bytes, bytes.size()});  // 3.6 MB waits at once
  run_until(loop, [&] { return at_busy.runs.size() == 60; });
  EXPECT_GE(turns, 4);
}

// GRO joins nothing that came as single datagrams over loopback, as on a path with a network card that
// cannot.
TEST(UdpSocket, WhereGroJoinsNothingAConnectedSocketReadsManyAtOnce) {
  EventLoop loop;
  Receiver asked, told;
  const auto server = bound(loop, "127.0.0.1");
  server->set_receiver(&asked);
  const auto client = connected(loop, server->net_path().local);
  client->send({}, {as_bytes("ask"), 3});
  run_until(loop, [&] { return !asked.runs.empty(); });
  std::vector<std::string> sent;
  for (int i = 0; i < 100; ++i) {
    sent.push_back(std::to_string(1000 + i));
    server->send(asked.runs[0].path, {as_bytes(sent.back()), 4});
  }
  client->set_receiver(&told);
  run_until(loop, [&] { return told.all().size() == sent.size(); });
  EXPECT_EQ(told.all(), sent);
  EXPECT_LE(client->stats().receive_calls, 12u);

  // And where it does again, one at a time.
  const auto bytes = pattern(20 * 1200);
  told.runs.clear();
  for (int i = 0; i < 3; ++i) server->send(asked.runs[0].path, {bytes, 1200});
  run_until(loop, [&] { return told.runs.size() == 3; });
  const std::uint64_t calls = client->stats().receive_calls;
  for (int i = 0; i < 3; ++i) server->send(asked.runs[0].path, {bytes, 1200});
  run_until(loop, [&] { return told.runs.size() == 6; });
  EXPECT_EQ(client->stats().receive_calls, calls + 3);
}

TEST(UdpSocket, ErrorsNameTheAddressAndTheMend) {
  EventLoop loop;
  const auto first = bound(loop, "127.0.0.1");
  const auto second = UdpSocket::bind(loop, first->net_path().local, {});
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find(first->net_path().local.to_string()), std::string::npos);
  EXPECT_NE(second.error().message.find("another program"), std::string::npos);
  const auto foreign = UdpSocket::bind(loop, any_port("192.0.2.1"), {});
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().code, static_cast<std::uint64_t>(EADDRNOTAVAIL));
}

TEST(UdpSocket, AGroupSharesAPort) {
  EventLoop loop;
  UdpSocketOptions options;
  options.reuse_port = true;
  const auto first = bound(loop, "127.0.0.1", options);
  const auto second = UdpSocket::bind(loop, first->net_path().local, options);
  EXPECT_TRUE(second);
}

}  // namespace
}  // namespace sallyport::net
