#include "net/fragment.h"

#include "base/random.h"
#include "net/packets_for_test.h"

#include <algorithm>
#include <expected>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

void store(PacketBytes& bytes, std::size_t at, std::size_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8);
  bytes[at + 1] = static_cast<std::uint8_t>(value);
}

std::size_t header_size(Bytes packet) {
  return (packet[0] & 15U) * 4;
}
unsigned fragment_word(Bytes packet) {
  return packet[6] * 256U + packet[7];
}
void set_header_checksum(PacketBytes& packet) {
  store(packet, 10, 0);
  store(packet, 10, 0xffffU ^ simple_sum(Bytes(packet).first(header_size(packet))));
}

PacketBytes datagram(std::size_t payload) {
  return MadePacket{.is_udp = true, .payload = some_payload(payload), .dont_fragment = false}.make();
}

PacketBytes with_options(PacketBytes packet, const PacketBytes& options) {
  packet.insert(packet.begin() + 20, options.begin(), options.end());
  packet[0] = static_cast<std::uint8_t>(0x45 + options.size() / 4);
  store(packet, 2, packet.size());
  set_header_checksum(packet);
  return packet;
}

std::expected<std::vector<PacketBytes>, FragmentError> cut(const PacketBytes& packet,
                                                           std::size_t max_packet) {
  auto fragmenter = Fragmenter::make(packet, max_packet);
  if (!fragmenter) return std::unexpected(fragmenter.error());
  const std::size_t count = fragmenter->count();
  std::vector<PacketBytes> fragments;
  while (const std::size_t size = fragmenter->next_size()) {
    fragments.emplace_back(size);
    fragmenter->write_next(fragments.back().data());
  }
  EXPECT_EQ(fragments.size(), count);
  return fragments;
}

/// What the receiver does (RFC 791 §3.2), octet by octet, apart from the code under test.
class Reassembly {
 public:
  void add(const PacketBytes& fragment) {
    const std::size_t header = header_size(fragment);
    EXPECT_EQ(simple_sum(Bytes(fragment).first(header)), 0xffff);
    EXPECT_EQ(fragment[2] * 256U + fragment[3], fragment.size());
    const unsigned word = fragment_word(fragment);
    std::size_t at = (word & 0x1fff) * std::size_t{8};
    if (at == 0) header_.assign(fragment.begin(), fragment.begin() + static_cast<std::ptrdiff_t>(header));
    for (const std::uint8_t octet : Bytes(fragment).subspan(header))
      EXPECT_TRUE(octets_.try_emplace(at++, octet).second) << at << " came twice";
    const bool more = (word & 0x2000) != 0;
    EXPECT_TRUE(!more || at % 8 == 0);
    EXPECT_TRUE(more || std::exchange(end_, at) == 0) << "only one is the last";
  }
  /// Nothing while a part is missing.
  std::optional<PacketBytes> whole() const {
    if (header_.empty() || end_ == 0 || octets_.size() != end_) return std::nullopt;
    PacketBytes packet = header_;
    for (const auto& [at, octet] : octets_) packet.push_back(octet);
    store(packet, 2, packet.size());
    store(packet, 6, 0);
    set_header_checksum(packet);
    return packet;
  }

 private:
  PacketBytes header_;
  std::map<std::size_t, std::uint8_t> octets_;
  std::size_t end_ = 0;
};

TEST(Fragment, GiveThePacketAgain) {
  for (const std::size_t payload : {60, 552, 553, 1'472, 1'473, 2'944, 2'952, 2'953, 65'507})
    for (const std::size_t max_packet : {68, 69, 576, 577, 1'500}) {
      const PacketBytes packet = datagram(payload);
      const auto fragments = cut(packet, max_packet);
      ASSERT_TRUE(fragments);
      Reassembly reassembly;
      for (std::size_t i = 0; i < fragments->size(); ++i) {
        const PacketBytes& fragment = (*fragments)[i];
        EXPECT_FALSE(reassembly.whole());
        EXPECT_LE(fragment.size(), max_packet);
        EXPECT_GT(fragment.size() + (i + 1 < fragments->size() ? 8 : max_packet), max_packet)
            << "as few as can be";
        reassembly.add(fragment);
      }
      EXPECT_EQ(reassembly.whole(), packet) << payload << ' ' << max_packet;
    }
}

TEST(Fragment, OptionsStandInAllOrInTheFirst) {
  // No operation, Record Route, Loose Source Route (copied), Timestamp, Security (copied), the end.
  const PacketBytes options{1,    7, 7, 4, 0, 0, 0, 0,            // to the first in all
                            0x83, 7, 4, 9, 8, 7, 6, 68, 4, 5, 0,  //
                            0x82, 3, 5, 0, 0};
  ASSERT_EQ(options.size() % 4, 0u);
  const PacketBytes packet = with_options(datagram(1'000), options);
  const auto fragments = cut(packet, 200).value();
  ASSERT_GT(fragments.size(), 2u);
  EXPECT_EQ(header_size(fragments[0]), 20 + options.size());
  EXPECT_TRUE(std::equal(options.begin(), options.end(), fragments[0].begin() + 20));
  const PacketBytes copied{0x83, 7, 4, 9, 8, 7, 6, 0x82, 3, 5, 0, 0};
  Reassembly reassembly;
  reassembly.add(fragments[0]);
  for (std::size_t i = 1; i < fragments.size(); ++i) {
    EXPECT_EQ(header_size(fragments[i]), 32u);
    EXPECT_TRUE(std::equal(copied.begin(), copied.end(), fragments[i].begin() + 20));
    EXPECT_LE(fragments[i].size(), 200u);
    reassembly.add(fragments[i]);
  }
  EXPECT_EQ(reassembly.whole(), packet);
}

TEST(Fragment, AllElseOfTheHeaderIsThatOfThePacket) {
  PacketBytes packet = datagram(1'000);
  packet[1] = 0xb9;
  packet[8] = 17;
  set_header_checksum(packet);
  const auto fragments = cut(packet, 300).value();
  for (const auto& fragment : fragments)
    for (const std::size_t at : {0, 1, 4, 5, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19})
      EXPECT_EQ(fragment[at], packet[at]) << at;
}

TEST(Fragment, OfAFragment) {
  SeededRandom random(1);
  for (int round = 0; round < 100; ++round) {
    PacketBytes packet = datagram(random.below(9'000));
    if (random.below(2) == 0) packet = with_options(packet, {0x94, 4, 0, 0, 7, 3, 4, 0});
    std::vector<PacketBytes> fragments{packet};
    for (int router = 0; router < 3; ++router) {
      const std::size_t max_packet = 68 + random.below(1'500);
      std::vector<PacketBytes> smaller;
      for (const auto& fragment : fragments) {
        const auto pieces = cut(fragment, max_packet).value();
        for (const auto& each : pieces) EXPECT_LE(each.size(), max_packet);
        smaller.insert(smaller.end(), pieces.begin(), pieces.end());
      }
      fragments = std::move(smaller);
    }
    for (std::size_t i = fragments.size(); i > 1; --i)
      std::swap(fragments[i - 1], fragments[random.below(i)]);
    Reassembly reassembly;
    for (const auto& fragment : fragments) reassembly.add(fragment);
    ASSERT_EQ(reassembly.whole(), packet) << round;
  }
}

TEST(Fragment, WhatFitsIsCopied) {
  const PacketBytes six = MadePacket{.is_v6 = true, .payload = some_payload(100)}.make();
  const PacketBytes whole = MadePacket{.payload = some_payload(100)}.make();  // with DF
  PacketBytes later = datagram(100);
  store(later, 6, 0x2003);
  set_header_checksum(later);
  for (const auto& packet : {six, whole, later}) {
    EXPECT_EQ(cut(packet, packet.size()).value(), std::vector<PacketBytes>{packet});
    PacketBytes with_trailer = packet;
    with_trailer.resize(packet.size() + 9);
    EXPECT_EQ(cut(with_trailer, packet.size()).value(), std::vector<PacketBytes>{packet});
  }
}

TEST(Fragment, WhatCannotBeCut) {
  EXPECT_EQ(cut(MadePacket{.is_v6 = true, .payload = some_payload(100)}.make(), 159).error(),
            FragmentError::forbidden);
  EXPECT_EQ(cut(MadePacket{.payload = some_payload(100)}.make(), 139).error(), FragmentError::forbidden);
  EXPECT_EQ(cut(datagram(100), 27).error(), FragmentError::too_small);
  EXPECT_TRUE(cut(datagram(100), 28));
  EXPECT_EQ(cut(datagram(100), 0).error(), FragmentError::too_small);
  EXPECT_EQ(cut(with_options(datagram(100), PacketBytes(40, 1)), 67).error(), FragmentError::too_small);
  EXPECT_TRUE(cut(with_options(datagram(100), PacketBytes(40, 1)), 68));
  EXPECT_EQ(cut({0x45, 0}, 100).error(), FragmentError::malformed);
  for (const PacketBytes& options : {PacketBytes{7, 0, 0, 0}, {7, 1, 0, 0}, {7, 5, 0, 0}, {1, 1, 1, 7}})
    EXPECT_EQ(cut(with_options(datagram(100), options), 100).error(), FragmentError::malformed);
  // Behind the end of the list nothing is looked at.
  EXPECT_TRUE(cut(with_options(datagram(100), {1, 0, 7, 0}), 100));
}

TEST(Fragment, NothingIsPutBeyondTheLongestPacket) {
  PacketBytes packet = datagram(992);  // 1,000 bytes of payload
  store(packet, 6, 65'528 / 8);
  EXPECT_EQ(cut(packet, 500).error(), FragmentError::malformed);
  store(packet, 6, 64'536 / 8);
  EXPECT_EQ(cut(packet, 500).error(), FragmentError::malformed);
  store(packet, 6, 64'528 / 8);
  EXPECT_TRUE(cut(packet, 500));
}

}  // namespace
}  // namespace sallyport::net
