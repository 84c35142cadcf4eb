#include "net/coalesce.h"

#include "base/random.h"
#include "net/packets_for_test.h"
#include "net/segment.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

struct Out {
  PacketBytes bytes;
  std::size_t segment_size = 0;
  bool partial = false;
};

/// A Coalescer that keeps what comes out of it.
struct Joined {
  std::vector<Out> out;
  Coalescer coalescer;
  explicit Joined(const CoalescerOptions& options = {})
      : coalescer(
            [this](const Packet& packet) {
              out.push_back(
                  {{packet.bytes.begin(), packet.bytes.end()}, packet.segment_size, packet.checksum_partial});
            },
            options) {}
  void add(PacketBytes bytes, std::uint16_t segment_size = 0, bool partial = false) {
    coalescer.add({bytes, segment_size, partial});
    std::ranges::fill(bytes, 0xdd);  // valid only during the call
  }
  void add(const MadePacket& made) { add(made.make()); }
  std::vector<std::size_t> flushed_sizes() {
    coalescer.flush();
    std::vector<std::size_t> sizes;
    for (const auto& each : out) sizes.push_back(each.bytes.size());
    return sizes;
  }
};

std::vector<PacketBytes> cut(Out& super) {
  std::vector<PacketBytes> packets;
  PacketBytes buffer(65'575);
  const Packet packet{super.bytes, static_cast<std::uint16_t>(super.segment_size), super.partial};
  EXPECT_TRUE(for_each_segment(packet, buffer.size(), buffer, [&](MutableBytes bytes) {
    packets.emplace_back(bytes.begin(), bytes.end());
  }));
  return packets;
}

/// `count` packets that follow each other, of `size` bytes of payload.
std::vector<MadePacket> train(MadePacket first, int count, std::size_t size) {
  std::vector<MadePacket> packets;
  for (int i = 0; i < count; ++i) {
    first.payload = some_payload(size, static_cast<std::uint8_t>(i));
    packets.push_back(first);
    first.sequence += static_cast<std::uint32_t>(size);
    ++first.identification;
  }
  return packets;
}

TEST(Coalesce, ATrainBecomesOneSuperPacketAndBack) {
  for (const bool is_v6 : {false, true})
    for (const bool is_udp : {false, true})
      for (const bool shorter : {false, true}) {
        MadePacket first{.is_v6 = is_v6,
                         .is_udp = is_udp,
                         .traffic_class = 2,
                         .identification = 0xfffe,
                         .sequence = 0xfffff000};
        if (!is_udp) first.options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
        auto packets = train(first, 5, 1'000);
        if (shorter) packets.back().payload.resize(1);
        Joined joined;
        for (const auto& each : packets) joined.add(each);
        joined.coalescer.flush();
        ASSERT_EQ(joined.out.size(), 1u);
        Out& super = joined.out[0];
        EXPECT_EQ(super.segment_size, 1'000u);
        EXPECT_TRUE(super.partial);
        const std::size_t payload = shorter ? 4'001 : 5'000;
        EXPECT_EQ(super.bytes.size(), first.headers_size() + payload);
        // The super-packet is itself a packet, whose checksum is the pseudo-header's sum.
        auto partial = super.bytes;
        make_checksum_partial(partial);
        EXPECT_EQ(super.bytes, partial);
        if (!is_v6) {
          EXPECT_EQ(simple_sum(Bytes(super.bytes).first(20)), 0xffff);
        }
        const auto again = cut(super);
        ASSERT_EQ(again.size(), packets.size());
        for (std::size_t i = 0; i < again.size(); ++i) EXPECT_EQ(again[i], packets[i].make()) << i;
      }
}

TEST(Coalesce, OnePacketComesOutAsItWas) {
  for (const bool is_udp : {false, true}) {
    const auto packet = MadePacket{.is_udp = is_udp, .payload = some_payload(100)}.make();
    Joined joined;
    joined.add(packet);
    EXPECT_TRUE(joined.out.empty());
    joined.coalescer.flush();
    ASSERT_EQ(joined.out.size(), 1u);
    EXPECT_EQ(joined.out[0].bytes, packet);
    EXPECT_EQ(joined.out[0].segment_size, 0u);
    EXPECT_FALSE(joined.out[0].partial);
    joined.coalescer.flush();
    EXPECT_EQ(joined.out.size(), 1u);
  }
}

struct Difference {
  const char* name;
  std::function<void(MadePacket&)> change;
  bool tcp = true, udp = true, v4 = true, v6 = true;
  bool other_flow = false;
};

class CoalesceDifferences : public testing::TestWithParam<Difference> {};

TEST_P(CoalesceDifferences, AreNotJoinedAndKeepTheirOrder) {
  const Difference& difference = GetParam();
  for (const bool is_v6 : {false, true})
    for (const bool is_udp : {false, true}) {
      if (is_v6 ? !difference.v6 : !difference.v4) continue;
      if (is_udp ? !difference.udp : !difference.tcp) continue;
      auto packets = train({.is_v6 = is_v6, .is_udp = is_udp}, 3, 100);
      difference.change(packets[1]);
      Joined joined;
      joined.add(packets[0]);
      joined.add(packets[1]);
      joined.coalescer.flush();
      ASSERT_EQ(joined.out.size(), 2u) << is_v6 << is_udp;
      for (std::size_t i = 0; i < 2; ++i) {
        EXPECT_EQ(joined.out[i].bytes, packets[i].make());
        EXPECT_EQ(joined.out[i].segment_size, 0u);
        EXPECT_FALSE(joined.out[i].partial);
      }
    }
}

const Difference all_differences[] = {
    {"SourceAddress", [](MadePacket& p) { p.last_octet = 9; }},
    {"SourcePort", [](MadePacket& p) { p.source_port = 80; }},
    {"DestinationPort", [](MadePacket& p) { p.destination_port = 80; }},
    {"HopLimit", [](MadePacket& p) { p.hop_limit = 63; }},
    {"Ecn", [](MadePacket& p) { p.traffic_class = 3; }},
    {"FlowLabel", [](MadePacket& p) { p.flow_label ^= 1; }, true, true, false},
    {"DontFragment", [](MadePacket& p) { p.dont_fragment = false; }, true, true, true, false},
    {"LongerPayload", [](MadePacket& p) { p.payload.push_back(0); }},
    {"NoPayload", [](MadePacket& p) { p.payload.clear(); }},
    {"SequenceAhead", [](MadePacket& p) { ++p.sequence; }, true, false},
    {"SequenceBehind", [](MadePacket& p) { p.sequence -= 100; }, true, false},
    {"Acknowledgment", [](MadePacket& p) { ++p.acknowledgment; }, true, false},
    {"Window", [](MadePacket& p) { ++p.window; }, true, false},
    {"OtherOptions", [](MadePacket& p) { p.options = {1, 1, 1, 1}; }, true, false},
    {"Cwr", [](MadePacket& p) { p.flags |= 0x80; }, true, false},
    {"Ece", [](MadePacket& p) { p.flags |= 0x40; }, true, false},
    {"Urg", [](MadePacket& p) { p.flags |= 0x20; }, true, false},
    {"Syn", [](MadePacket& p) { p.flags |= 0x02; }, true, false},
    {"Rst", [](MadePacket& p) { p.flags |= 0x04; }, true, false},
    {"NoAck", [](MadePacket& p) { p.flags = 0; }, true, false},
};
INSTANTIATE_TEST_SUITE_P(Flows, CoalesceDifferences, testing::ValuesIn(all_differences),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(Coalesce, OptionValuesHaveToBeEqual) {
  auto packets = train({.options = {1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2}}, 2, 100);
  packets[1].options.back() = 3;
  Joined joined;
  for (const auto& each : packets) joined.add(each);
  EXPECT_EQ(joined.flushed_sizes().size(), 2u);
}

TEST(Coalesce, IdentificationCountsWhereThePacketMayBeFragmented) {
  for (const bool dont_fragment : {false, true})
    for (const int step : {0, 1, 2}) {
      auto packets = train({.dont_fragment = dont_fragment}, 3, 100);
      for (int i = 0; i < 3; ++i)
        packets[static_cast<std::size_t>(i)].identification = static_cast<std::uint16_t>(5 + i * step);
      Joined joined;
      for (const auto& each : packets) joined.add(each);
      EXPECT_EQ(joined.flushed_sizes().size(), dont_fragment || step == 1 ? 1u : 3u) << step;
    }
}

TEST(Coalesce, AShorterPacketIsTheLast) {
  for (const bool is_udp : {false, true}) {
    auto packets = train({.is_udp = is_udp}, 4, 100);
    packets[1].payload.resize(99);
    packets[2].sequence -= 1;
    packets[3].sequence -= 1;
    Joined joined;
    for (const auto& each : packets) joined.add(each);
    const std::size_t headers = packets[0].headers_size();
    EXPECT_EQ(joined.flushed_sizes(), (std::vector{headers + 199, headers + 200}));
  }
}

TEST(Coalesce, FinAndPshEndASuperPacket) {
  for (const std::uint8_t flag : {0x01, 0x08, 0x09}) {
    auto packets = train({}, 4, 100);
    packets[1].flags |= flag;
    Joined joined;
    joined.add(packets[0]);
    joined.add(packets[1]);
    ASSERT_EQ(joined.out.size(), 1u) << "nothing more can be joined to it";
    EXPECT_EQ(joined.out[0].bytes[33], 0x10 | flag);
    joined.add(packets[2]);
    joined.add(packets[3]);
    EXPECT_EQ(joined.flushed_sizes(), (std::vector<std::size_t>{240, 240}));
    EXPECT_EQ(joined.out[1].bytes[33], 0x10);
    // Nor does anything follow one that stands alone.
    Joined alone;
    for (std::size_t i = 1; i < 4; ++i) alone.add(packets[i]);
    EXPECT_EQ(alone.flushed_sizes(), (std::vector<std::size_t>{140, 240}));
  }
}

TEST(Coalesce, CwrIsKeptOnTheFirst) {
  auto packets = train({}, 3, 100);
  packets[0].flags |= 0x80;
  Joined joined;
  for (const auto& each : packets) joined.add(each);
  joined.coalescer.flush();
  ASSERT_EQ(joined.out.size(), 1u);
  const auto again = cut(joined.out[0]);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(again.at(i), packets[i].make());
}

TEST(Coalesce, AWrongChecksumIsNeverJoinedNorJoinedTo) {
  for (const bool is_v6 : {false, true})
    for (const bool is_udp : {false, true})
      for (std::size_t wrong = 0; wrong < 3; ++wrong) {
        const auto packets = train({.is_v6 = is_v6, .is_udp = is_udp}, 3, 100);
        std::vector<PacketBytes> bytes;
        for (const auto& each : packets) bytes.push_back(each.make());
        bytes[wrong].back() ^= 1;
        Joined joined;
        for (const auto& each : bytes) joined.add(each);
        joined.coalescer.flush();
        // What comes out is what went in, in order; the other two are joined where they are neighbours.
        EXPECT_EQ(joined.out.size(), wrong == 1 ? 3u : 2u);
        std::vector<PacketBytes> all;
        for (auto& each : joined.out)
          for (auto& packet : cut(each)) all.push_back(std::move(packet));
        EXPECT_EQ(all, bytes);
      }
  // The IPv4 header's.
  auto packets = train({}, 2, 100);
  auto bad = packets[1].make();
  bad[10] ^= 1;
  Joined joined;
  joined.add(packets[0]);
  joined.add(bad);
  EXPECT_EQ(joined.flushed_sizes(), (std::vector<std::size_t>{140, 140}));
  EXPECT_EQ(joined.out[1].bytes, bad);
}

TEST(Coalesce, UdpWithoutAChecksumOrWithAnotherLengthIsNotJoined) {
  for (const std::size_t at : {26U, 25U}) {
    Joined joined;
    for (const auto& each : train({.is_udp = true}, 3, 100)) {
      auto bytes = each.make();
      if (at == 26)
        bytes[26] = bytes[27] = 0;
      else
        --bytes[25];
      joined.add(bytes);
    }
    EXPECT_EQ(joined.out.size(), 3u) << "and not kept either";
  }
}

TEST(Coalesce, PartialChecksumsAreTakenAtTheirWord) {
  const auto packets = train({}, 2, 100);
  Joined joined;
  for (const auto& each : packets) {
    auto bytes = each.make();
    make_checksum_partial(bytes);
    joined.add(bytes, 0, true);
  }
  joined.coalescer.flush();
  ASSERT_EQ(joined.out.size(), 1u);
  EXPECT_EQ(cut(joined.out[0]), (std::vector{packets[0].make(), packets[1].make()}));
  // Alone it is still partial; and one that is not the pseudo-header's sum is let through as it is.
  auto bytes = packets[0].make();
  make_checksum_partial(bytes);
  joined.add(bytes, 0, true);
  joined.coalescer.flush();
  EXPECT_EQ(joined.out.at(1).bytes, bytes);
  EXPECT_TRUE(joined.out.at(1).partial);
  ++bytes[36];
  joined.add(bytes, 0, true);
  EXPECT_EQ(joined.out.at(2).bytes, bytes);
  EXPECT_TRUE(joined.out.at(2).partial);
}

TEST(Coalesce, WhatIsNotJoinedGoesBehindItsFlow) {
  const auto packets = train({}, 2, 100);
  auto super = packets[1].make();
  make_checksum_partial(super);
  auto fragment = packets[1].make();
  fragment[6] = 0x20;
  auto later_fragment = fragment;
  later_fragment[7] = 4;
  auto with_options = packets[1].make();
  with_options[0] = 0x46;
  const PacketBytes four_octets(4, 1);
  with_options.insert(with_options.begin() + 20, four_octets.begin(), four_octets.end());
  with_options[3] += 4;
  for (const auto& other : {super, fragment, later_fragment, with_options}) {
    Joined joined;
    joined.add(packets[0]);
    const bool is_super = other == super;
    joined.add(other, is_super ? 50 : 0, is_super);
    ASSERT_EQ(joined.out.size(), 2u);
    EXPECT_EQ(joined.out[0].bytes, packets[0].make());
    EXPECT_EQ(joined.out[1].bytes, other);
    EXPECT_EQ(joined.out[1].segment_size, is_super ? 50u : 0u);
    EXPECT_EQ(joined.out[1].partial, is_super);
  }
}

TEST(Coalesce, WhatIsOfNoFlowGoesAtOnce) {
  Joined joined;
  joined.add(train({}, 1, 100)[0]);
  auto icmp = MadePacket{.payload = some_payload(20)}.make();
  icmp[9] = 1;
  joined.add(icmp);
  joined.add(PacketBytes{1, 2, 3});
  joined.add(PacketBytes{});
  ASSERT_EQ(joined.out.size(), 3u);
  EXPECT_EQ(joined.out[0].bytes, icmp);
  EXPECT_EQ(joined.out[1].bytes, (PacketBytes{1, 2, 3}));
  // A later fragment between other hosts, or of the other protocol, holds nothing up either.
  auto fragment = MadePacket{.is_udp = true, .payload = some_payload(20)}.make();
  fragment[7] = 4;
  joined.add(fragment);
  fragment = MadePacket{.payload = some_payload(20), .last_octet = 77}.make();
  fragment[7] = 4;
  joined.add(fragment);
  EXPECT_EQ(joined.out.size(), 5u);
  EXPECT_EQ(joined.flushed_sizes().size(), 6u);
}

TEST(Coalesce, ALaterIpv6FragmentMayBeOfAnyFlowOfItsHosts) {
  // By the next header of its fragment header; Destination Options may have anything behind them.
  for (const auto& [next_header, flows] : {std::pair{60, 2U}, {6, 1U}, {17, 1U}})
    for (const std::uint8_t last_octet : {std::uint8_t{1}, std::uint8_t{77}}) {
      Joined joined;
      joined.add(train({.is_v6 = true}, 1, 100)[0]);
      joined.add(train({.is_v6 = true, .is_udp = true}, 1, 100)[0]);
      auto fragment = MadePacket{.is_v6 = true, .payload = some_payload(20), .last_octet = last_octet}.make();
      fragment[6] = 44;
      fragment[40] = static_cast<std::uint8_t>(next_header);
      fragment[42] = 0;
      fragment[43] = 8;
      joined.add(fragment);
      ASSERT_EQ(joined.out.size(), last_octet == 1 ? flows + 1 : 1) << next_header;
      EXPECT_EQ(joined.out.back().bytes, fragment);
    }
}

TEST(Coalesce, ProtocolsCanBeLeftOut) {
  for (const bool is_udp : {false, true}) {
    Joined joined({.tcp = is_udp, .udp = !is_udp});
    for (const auto& each : train({.is_udp = is_udp}, 3, 100)) joined.add(each);
    EXPECT_EQ(joined.out.size(), 3u);
  }
}

TEST(Coalesce, SuperPacketsAreBounded) {
  for (const bool is_v6 : {false, true}) {
    Joined joined;
    for (const auto& each : train({.is_v6 = is_v6}, 100, 1'400)) joined.add(each);
    joined.coalescer.flush();
    std::size_t payload = 0;
    for (const auto& each : joined.out) {
      EXPECT_LE(each.bytes.size(), 65'535u);
      payload += each.bytes.size() - (is_v6 ? 60 : 40);
    }
    EXPECT_EQ(payload, 140'000u);
    EXPECT_EQ(joined.out.size(), 3u);
  }
  Joined joined;
  for (const auto& each : train({.is_udp = true}, 100, 10)) joined.add(each);
  EXPECT_EQ(joined.flushed_sizes(), (std::vector<std::size_t>{28 + 640, 28 + 360}));
  // To the byte.
  Joined exact;
  for (const auto& each : train({}, 5, 13'099)) exact.add(each);
  EXPECT_EQ(exact.flushed_sizes(), (std::vector<std::size_t>{65'535}));
}

TEST(Coalesce, FlowsAreBoundedAndTheOldestGoesFirst) {
  Joined joined;
  for (std::uint16_t port = 0; port < 20; ++port)
    joined.add(MadePacket{.payload = some_payload(10), .source_port = port});
  ASSERT_EQ(joined.out.size(), 4u);
  joined.coalescer.flush();
  ASSERT_EQ(joined.out.size(), 20u);
  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(joined.out[i].bytes[21], i);
}

TEST(Coalesce, InterleavedFlowsAreJoinedEach) {
  Joined joined;
  std::vector<std::vector<MadePacket>> trains;
  for (std::uint16_t port = 0; port < 8; ++port)
    trains.push_back(train({.is_v6 = port % 2 == 0, .is_udp = port % 3 == 0, .source_port = port}, 5, 300));
  for (std::size_t i = 0; i < 5; ++i)
    for (const auto& each : trains) joined.add(each[i]);
  EXPECT_EQ(joined.flushed_sizes().size(), 8u);
  for (auto& each : joined.out) EXPECT_EQ(cut(each).size(), 5u);
}

/// What a flow's packets are kept apart by.
std::string flow_of(const PacketBytes& bytes) {
  const std::size_t ip_size = bytes[0] >> 4 == 6 ? 40 : 20;
  std::string key(bytes.begin() + (ip_size == 40 ? 8 : 12),
                  bytes.begin() + static_cast<std::ptrdiff_t>(ip_size) + 4);
  key += static_cast<char>(bytes[ip_size == 40 ? 6 : 9]);
  return key;
}

TEST(Coalesce, RandomTrafficCutAgainIsTheSamePacketsInEachFlowsOrder) {
  SeededRandom random(1);
  std::size_t in = 0, out = 0;
  for (int round = 0; round < 60; ++round) {
    std::vector<MadePacket> flows;
    const auto count = static_cast<std::uint16_t>(1 + random.below(24));
    for (std::uint16_t i = 0; i < count; ++i)
      flows.push_back({.is_v6 = random.below(2) == 0,
                       .is_udp = random.below(2) == 0,
                       .source_port = i,
                       .dont_fragment = random.below(2) == 0,
                       .sequence = static_cast<std::uint32_t>(random.next_u64())});
    std::map<std::string, std::vector<PacketBytes>> sent, received;
    Joined joined;
    for (int i = 0; i < 300; ++i) {
      MadePacket& flow = flows[random.below(flows.size())];
      flow.payload.resize(random.below(8) == 0 ? random.below(1'300) : 1'200);
      random.fill(flow.payload);
      MadePacket packet = flow;
      if (random.below(10) == 0) packet.flags |= static_cast<std::uint8_t>(random.next_u64());
      if (random.below(20) == 0) packet.sequence += 5;
      if (random.below(20) == 0) packet.hop_limit = 9;
      auto bytes = packet.make();
      if (random.below(20) == 0) bytes.back() ^= 0x40;
      sent[flow_of(bytes)].push_back(bytes);
      joined.add(bytes);
      if (random.below(100) == 0) joined.coalescer.flush();
      flow.sequence += static_cast<std::uint32_t>(flow.payload.size());
      ++flow.identification;
      ++in;
    }
    joined.coalescer.flush();
    out += joined.out.size();
    for (auto& each : joined.out)
      for (auto& packet : cut(each)) received[flow_of(packet)].push_back(std::move(packet));
    ASSERT_EQ(received, sent) << round;
  }
  EXPECT_LT(out * 2, in) << "and most of them were joined";
}

}  // namespace
}  // namespace sallyport::net
