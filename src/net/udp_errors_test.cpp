// ICMP errors on a UDP socket: they are reported with their kind, and do not close the socket.
#include "net/udp_errors.h"

#include "net/udp_for_test.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <sys/ioctl.h>

namespace sallyport::net {
namespace {

using namespace test;

/// Sends a forged ICMP error to this host for a datagram sent from `from` to `to`. `rest`: the four bytes
/// behind the checksum.
void forge_icmp(const SocketAddress& from, const SocketAddress& to, std::uint8_t type, std::uint8_t code,
                std::uint32_t rest = 0) {
  const bool v4 = from.ip().is_v4();
  const UniqueFd raw(
      ::socket(from.family(), SOCK_RAW | SOCK_CLOEXEC, v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6}));
  ASSERT_TRUE(raw);
  std::vector<std::uint8_t> message{type, code, 0, 0};
  for (int shift = 24; shift >= 0; shift -= 8) message.push_back(static_cast<std::uint8_t>(rest >> shift));
  const std::size_t header = message.size(), length = v4 ? 20 : 40;
  message.resize(header + length + 8);
  message[header] = v4 ? 0x45 : 0x60;
  message[header + (v4 ? 9 : 6)] = IPPROTO_UDP;
  if (v4) message[header + 2] = 1500 >> 8, message[header + 3] = 1500 & 0xff, message[header + 8] = 64;
  if (!v4) message[header + 4] = 1460 >> 8, message[header + 5] = 1460 & 0xff, message[header + 7] = 64;
  const std::size_t addresses = header + (v4 ? 12 : 8), size = v4 ? 4 : 16;
  copy_bytes(from.ip().octets(), message.data() + addresses);
  copy_bytes(to.ip().octets(), message.data() + addresses + size);
  std::size_t at = header + length;
  for (const std::uint16_t port : {from.port(), to.port()}) {
    message[at++] = static_cast<std::uint8_t>(port >> 8);
    message[at++] = static_cast<std::uint8_t>(port);
  }
  message[at + 1] = 8;  // UDP's length
  if (v4) {             // of ICMPv6 the kernel makes the checksum
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < message.size(); i += 2)
      sum += std::uint32_t{message[i]} << 8 | message[i + 1];
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    message[2] = static_cast<std::uint8_t>(~sum >> 8), message[3] = static_cast<std::uint8_t>(~sum);
  }
  SocketAddress here = from;
  here.set_port(0);  // where a raw socket has a protocol
  EXPECT_EQ(::sendto(raw.get(), message.data(), message.size(), 0, here.data(), here.size()),
            static_cast<ssize_t>(message.size()));
}

UdpSocketOptions reporting() {
  UdpSocketOptions options;
  options.report_unreachable = true;
  return options;
}

SocketAddress nobody(EventLoop& loop, const char* ip) {
  return bound(loop, ip)->net_path().local;  // its port is free again
}

TEST(UdpErrors, OnlyWhatTellsOfTheFarEndCounts) {
  const auto hint = Unreachable::hint, definite = Unreachable::definite;
  EXPECT_EQ(unreachable_of_icmp(ICMP_DEST_UNREACH, ICMP_PORT_UNREACH), definite);
  EXPECT_EQ(unreachable_of_icmp(ICMP_DEST_UNREACH, ICMP_PROT_UNREACH), definite);
  for (const int code : {ICMP_NET_UNREACH, ICMP_HOST_UNREACH, ICMP_SR_FAILED, ICMP_NET_UNKNOWN,
                         ICMP_HOST_ISOLATED, ICMP_NET_ANO, ICMP_HOST_ANO, ICMP_PKT_FILTERED})
    EXPECT_EQ(unreachable_of_icmp(ICMP_DEST_UNREACH, static_cast<std::uint8_t>(code)), hint) << code;
  EXPECT_EQ(unreachable_of_icmp(ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED), std::nullopt);
  for (const int type : {ICMP_TIME_EXCEEDED, ICMP_SOURCE_QUENCH, ICMP_PARAMETERPROB})
    for (std::uint8_t code = 0; code < 4; ++code)
      EXPECT_EQ(unreachable_of_icmp(static_cast<std::uint8_t>(type), code), std::nullopt) << type;

  EXPECT_EQ(unreachable_of_icmp6(ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT), definite);
  for (const int code : {ICMP6_DST_UNREACH_NOROUTE, ICMP6_DST_UNREACH_ADMIN, ICMP6_DST_UNREACH_BEYONDSCOPE,
                         ICMP6_DST_UNREACH_ADDR, 5, 6})
    EXPECT_EQ(unreachable_of_icmp6(ICMP6_DST_UNREACH, static_cast<std::uint8_t>(code)), hint) << code;
  EXPECT_EQ(unreachable_of_icmp6(ICMP6_PARAM_PROB, ICMP6_PARAMPROB_NEXTHEADER), definite);
  EXPECT_EQ(unreachable_of_icmp6(ICMP6_PARAM_PROB, ICMP6_PARAMPROB_HEADER), std::nullopt);
  for (const int type : {ICMP6_TIME_EXCEEDED, ICMP6_PACKET_TOO_BIG})
    for (std::uint8_t code = 0; code < 6; ++code)
      EXPECT_EQ(unreachable_of_icmp6(static_cast<std::uint8_t>(type), code), std::nullopt) << type;
}

TEST(UdpErrors, AClosedPortIsToldToWhoAskedAndTheSocketGoesOn) {
  for (const char* ip : {"127.0.0.1", "::1"}) {
    EventLoop loop;
    const SocketAddress far = nobody(loop, ip);
    const auto deaf = connected(loop, far);
    const auto hearing = connected(loop, far, reporting());
    Receiver at_deaf, at_hearing;
    std::size_t told = 0;
    at_hearing.unreachable = [&](Unreachable kind, const Error& why) {
      EXPECT_EQ(kind, Unreachable::definite);
      EXPECT_EQ(why.kind, ErrorKind::refused);
      EXPECT_EQ(why.message, "UDP to " + far.to_string() + " failed: Connection refused");
      ++told;
    };
    deaf->set_receiver(&at_deaf);
    hearing->set_receiver(&at_hearing);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(deaf->send({}, {as_bytes("x"), 1}), SendStatus::sent);
    EXPECT_EQ(hearing->send({}, {as_bytes("x"), 1}), SendStatus::sent);
    run_until(loop, [&] { return told == 1; });
    EXPECT_EQ(deaf->stats().dropped_error, 0u);
    // Somebody is there now.
    const auto server = std::move(*UdpSocket::bind(loop, far, {}));
    Receiver at_server;
    server->set_receiver(&at_server);
    EXPECT_EQ(hearing->send({}, {as_bytes("y"), 1}), SendStatus::sent);
    run_until(loop, [&] { return !at_server.runs.empty(); });
    server->send(at_server.runs[0].path, {as_bytes("z"), 1});
    run_until(loop, [&] { return at_hearing.all() == std::vector<std::string>{"z"}; });
    EXPECT_EQ(told, 1u);
  }
}

TEST(UdpErrors, WhatSendLearnsOfCostsNoDatagramAndIsToldLaterNotInside) {
  EventLoop loop;
  const SocketAddress far = nobody(loop, "127.0.0.1");
  const auto socket = connected(loop, far, reporting());
  Receiver receiver;
  std::size_t told = 0;
  receiver.unreachable = [&](Unreachable, const Error&) { ++told; };
  socket->set_receiver(&receiver);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(socket->send({}, {as_bytes("x"), 1}), SendStatus::sent);
  EXPECT_EQ(told, 0u);
  EXPECT_EQ(socket->stats().dropped_error, 0u);
  run_until(loop, [&] { return told > 0; });
}

TEST(UdpErrors, TheReceiverMayDestroyTheSocketWhenItHears) {
  EventLoop loop;
  auto socket = connected(loop, nobody(loop, "127.0.0.1"), reporting());
  Receiver receiver;
  receiver.unreachable = [&](Unreachable, const Error&) { socket.reset(); };
  socket->set_receiver(&receiver);
  EXPECT_EQ(socket->send({}, {as_bytes("x"), 1}), SendStatus::sent);
  run_until(loop, [&] { return socket == nullptr; });
}

TEST(UdpErrors, WhereTheRouteIsGoneTheReceiverMayDestroyTheSocket) {
  const bool ran = in_narrow_namespace(1500, [] {
    EventLoop loop;
    auto socket = connected(loop, nobody(loop, "::1"), reporting());
    Receiver receiver;
    std::optional<Unreachable> told;
    receiver.unreachable = [&](Unreachable kind, const Error& why) {
      socket.reset();
      told = kind;
      EXPECT_EQ(why.kind, ErrorKind::unreachable);
      EXPECT_TRUE(why.message.ends_with("failed: Network is unreachable")) << why.message;
    };
    socket->set_receiver(&receiver);
    const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq down{};
    std::strcpy(down.ifr_name, "lo");
    ASSERT_EQ(::ioctl(control.get(), SIOCSIFFLAGS, &down), 0);
    EXPECT_EQ(socket->send({}, {as_bytes("x"), 1}), SendStatus::dropped);
    run_until(loop, [&] { return socket == nullptr; });
    EXPECT_EQ(told, Unreachable::hint);
  });
  if (!ran) GTEST_SKIP() << "needs CAP_SYS_ADMIN for a network namespace";
}

TEST(UdpErrors, OnlySoManyMessagesAreTakenAtOnce) {
  const bool ran = in_narrow_namespace(1500, [] {
    EventLoop loop;
    const auto server = bound(loop, "127.0.0.1");
    const auto client = connected(loop, server->net_path().local, reporting());
    for (int i = 0; i < 65; ++i)
      forge_icmp(client->net_path().local, server->net_path().local, ICMP_DEST_UNREACH,
                 i < 64 ? ICMP_NET_UNREACH : ICMP_PORT_UNREACH);
    EXPECT_EQ(take_unreachable(client->fd())->kind, Unreachable::hint);
    EXPECT_EQ(take_unreachable(client->fd())->kind, Unreachable::definite);
    EXPECT_FALSE(take_unreachable(client->fd()));
  });
  if (!ran) GTEST_SKIP() << "needs CAP_SYS_ADMIN for a network namespace";
}

TEST(UdpErrors, AForgedMessageIsWhatItSays) {
  struct Case {
    const char* ip;
    std::uint8_t type, code;
    std::optional<Unreachable> told;
    const char* words;
  };
  const Case cases[]{
      {"127.0.0.1", ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, std::nullopt, ""},
      {"127.0.0.1", ICMP_DEST_UNREACH, ICMP_NET_UNREACH, Unreachable::hint, "Network is unreachable"},
      {"127.0.0.1", ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, Unreachable::hint, "No route to host"},
      {"127.0.0.1", ICMP_DEST_UNREACH, ICMP_SR_FAILED, Unreachable::hint, "Operation not supported"},
      {"127.0.0.1", ICMP_DEST_UNREACH, ICMP_PKT_FILTERED, Unreachable::hint, "No route to host"},
      {"127.0.0.1", ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, Unreachable::definite, "Protocol not available"},
      {"127.0.0.1", ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, Unreachable::definite, "Connection refused"},
      {"::1", ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT, std::nullopt, ""},
      {"::1", ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOROUTE, Unreachable::hint, "Network is unreachable"},
      {"::1", ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_ADMIN, Unreachable::hint,
       "Communication administratively prohibited"},
      {"::1", ICMP6_DST_UNREACH, ICMP6_DST_UNREACH_NOPORT, Unreachable::definite, "Connection refused"},
  };
  const bool ran = in_narrow_namespace(1500, [&] {
    for (const Case& each : cases) {
      SCOPED_TRACE(testing::Message() << each.ip << " " << int{each.type} << " " << int{each.code});
      EventLoop loop;
      const auto server = bound(loop, each.ip);
      const auto client = connected(loop, server->net_path().local, reporting());
      Receiver at_client, at_server;
      std::optional<Unreachable> told;
      std::string words;
      at_client.unreachable = [&](Unreachable kind, const Error& why) {
        told = kind;
        words = why.message;
      };
      client->set_receiver(&at_client);
      server->set_receiver(&at_server);
      forge_icmp(client->net_path().local, server->net_path().local, each.type, each.code);
      if (each.told) run_until(loop, [&] { return told.has_value(); });
      EXPECT_EQ(words.empty() ? words : words.substr(words.rfind(": ") + 2), each.words);
      // No datagram was lost in either direction, and no further error is reported.
      EXPECT_EQ(client->send({}, {as_bytes("x"), 1}), SendStatus::sent);
      run_until(loop, [&] { return !at_server.runs.empty(); });
      server->send(at_server.runs[0].path, {as_bytes("y"), 1});
      run_until(loop, [&] { return !at_client.runs.empty(); });
      EXPECT_EQ(told, each.told);
    }
  });
  if (!ran) GTEST_SKIP() << "needs CAP_SYS_ADMIN for a network namespace";
}

TEST(UdpErrors, AMessageAboutSizeCostsNoDatagramAndLowersNothing) {
  const bool ran = in_narrow_namespace(1500, [] {
    for (const bool report : {false, true}) {
      EventLoop loop;
      const auto server = bound(loop, "127.0.0.1");
      UdpSocketOptions options;
      options.report_unreachable = report;
      const auto client = connected(loop, server->net_path().local, options);
      Receiver at_client, at_server;
      client->set_receiver(&at_client);
      server->set_receiver(&at_server);
      const auto bytes = pattern(10 * 1200);
      std::size_t expected = 0;
      for (const std::size_t size : {std::size_t{40}, std::size_t{1200}, bytes.size()}) {
        // It arrives after the turn's last read of the socket, so the next send fails.
        forge_icmp(client->net_path().local, server->net_path().local, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED,
                   1400);
        const DatagramRun run{Bytes(bytes).first(size), 1200};
        EXPECT_EQ(client->send({}, run), SendStatus::sent) << size;
        expected += run.count();
      }
      run_until(loop, [&] { return at_server.all().size() == expected; });
      EXPECT_EQ(client->max_datagram_size(), 65507u);
      EXPECT_EQ(client->stats().dropped_too_large, 0u);
    }
  });
  if (!ran) GTEST_SKIP() << "needs CAP_SYS_ADMIN for a network namespace";
}

}  // namespace
}  // namespace sallyport::net
