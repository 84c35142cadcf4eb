#include "masque/ip_capsules.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using namespace std::string_literals;

net::IpAddress ip(std::string_view text) {
  return net::IpAddress::parse(text).value();
}
net::IpPrefix prefix(std::string_view text) {
  return net::IpPrefix::parse(text).value();
}

const std::string v4_10_0_0_1 = "\x0a\0\0\1"s;
const std::string v6_db8 = "\x20\x01\x0d\xb8"s + std::string(12, '\0');
const std::string v6_db8_1000 = "\x20\x01\x0d\xb8\x10"s + std::string(11, '\0');
const std::string v6_db8_1 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\1";

/// What is wrong with a capsule that was to be refused with `kind`.
template <class Parsed>
std::string refusal(const Parsed& parsed, ErrorKind kind = ErrorKind::protocol) {
  if (parsed) return "taken";
  return parsed.error().kind == kind ? parsed.error().message : "another kind: " + parsed.error().message;
}
std::string refused_assign(const std::string& value) {
  return refusal(parse_address_assign(as_bytes(value)));
}
std::string refused_request(const std::string& value) {
  return refusal(parse_address_request(as_bytes(value)));
}
std::string refused_routes(const std::string& value) {
  return refusal(parse_route_advertisement(as_bytes(value)));
}
std::string range(const std::string& start, const std::string& end, int protocol) {
  return (start.size() == 4 ? "\4" : "\6") + start + end + static_cast<char>(protocol);
}
bool says(const std::string& message, std::string_view what) {
  return message.find(what) != std::string::npos;
}

TEST(AddressAssign, IsReadAsTheRfcHasIt) {
  const std::string value = "\0\4"s + v4_10_0_0_1 + "\x20" + "\x40\7\6"s + v6_db8 + "\x20" +
                            "\xff\xff\xff\xff\xff\xff\xff\xff\4\0\0\0\0\x20"s;
  const auto parsed = parse_address_assign(as_bytes(value));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, (std::vector<AssignedAddress>{{0, prefix("10.0.0.1/32")},
                                                   {7, prefix("2001:db8::/32")},
                                                   {(std::uint64_t{1} << 62) - 1, prefix("0.0.0.0/32")}}));
  EXPECT_FALSE((*parsed)[0].is_rejection());
  EXPECT_TRUE((*parsed)[2].is_rejection());
}

TEST(AddressAssign, MayBeEmpty) {
  const auto parsed = parse_address_assign({});
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->empty());
}

TEST(AddressAssign, TakesPrefixesOfEveryLength) {
  for (const auto text : {"0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/31", "::/0", "2001:db8::/127", "::1/128"}) {
    const std::vector<AssignedAddress> addresses{{3, prefix(text)}};
    const auto parsed = parse_address_assign(write_address_assign(addresses));
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, addresses);
    EXPECT_FALSE(parsed->front().is_rejection());
  }
}

// docs/threat-model.md, "invalid address capsule".
TEST(AddressAssign, MalformedEntriesAreNamed) {
  EXPECT_TRUE(says(refused_assign("\0\5\1\2\3\4\x20"s), "entry 1: IP version 5 (RFC 9484 §4.7.1)"));
  EXPECT_TRUE(says(refused_assign("\0\0\1\2\3\4\x20"s), "IP version 0"));
  EXPECT_TRUE(
      says(refused_assign("\0\4\1\2\3\4\x20\0\4\1\2\3\4\x21"s), "entry 2: prefix length 33 of an IPv4"));
  EXPECT_TRUE(says(refused_assign("\0\6"s + v6_db8 + "\x81"), "prefix length 129 of an IPv6"));
  EXPECT_TRUE(says(refused_assign("\0\4"s + v4_10_0_0_1 + "\x1f"), "10.0.0.1/31 has bits set"));
  EXPECT_TRUE(says(refused_assign("\0\6"s + v6_db8_1 + "\x7f"), "2001:db8::1/127 has bits set"));
  EXPECT_TRUE(says(refused_assign("\0\4"s + v4_10_0_0_1 + "\0"s), "10.0.0.1/0 has bits set"));
}

// docs/threat-model.md, "invalid address capsule".
TEST(AddressAssign, EveryCutIsRefused) {
  for (const auto& whole : {"\x40\7\4"s + v4_10_0_0_1 + "\x20", "\7\6"s + v6_db8 + "\x20"})
    for (std::size_t size = 1; size < whole.size(); ++size)
      EXPECT_TRUE(says(refused_assign(whole.substr(0, size)), "the capsule ends inside")) << size;
  EXPECT_TRUE(says(refused_assign("\0\4"s + v4_10_0_0_1 + "\x20\7"),
                   "entry 2: the capsule ends inside the IP version"));
}

// docs/threat-model.md, "invalid address capsule".
TEST(AddressAssign, ManyEntriesAreTooMany) {
  std::vector<AssignedAddress> addresses(max_capsule_addresses, {0, prefix("10.0.0.1/32")});
  EXPECT_TRUE(parse_address_assign(write_address_assign(addresses)));
  addresses.push_back(addresses.back());
  EXPECT_TRUE(says(refusal(parse_address_assign(write_address_assign(addresses)), ErrorKind::too_large),
                   "more than 64 entries"));
}

TEST(AddressRequest, IsReadAsTheRfcHasIt) {
  const std::string value =
      "\1\4\0\0\0\0\x20\x02\6"s + std::string(16, '\0') + "\x40" + "\3\4"s + v4_10_0_0_1 + "\x20";
  const auto parsed = parse_address_request(as_bytes(value));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, (std::vector<RequestedAddress>{
                         {1, prefix("0.0.0.0/32")}, {2, prefix("::/64")}, {3, prefix("10.0.0.1/32")}}));
  EXPECT_TRUE((*parsed)[0].is_without_preference());
  EXPECT_TRUE((*parsed)[1].is_without_preference());
  EXPECT_FALSE((*parsed)[2].is_without_preference());
  EXPECT_EQ(write_address_request(*parsed),
            std::vector<std::uint8_t>(as_bytes(value).begin(), as_bytes(value).end()));
}

TEST(AddressRequest, AMappedZeroAddressIsAPreference) {
  EXPECT_FALSE((RequestedAddress{1, prefix("::ffff:0:0/96")}.is_without_preference()));
}

TEST(AddressRequest, IsRejectedWithTheWholeZeroAddress) {
  EXPECT_EQ((RequestedAddress{5, prefix("10.0.0.0/8")}.rejection()),
            (AssignedAddress{5, prefix("0.0.0.0/32")}));
  EXPECT_EQ((RequestedAddress{6, prefix("::/64")}.rejection()), (AssignedAddress{6, prefix("::/128")}));
  EXPECT_TRUE((RequestedAddress{6, prefix("::/64")}.rejection().is_rejection()));
}

// docs/threat-model.md, "invalid address capsule".
TEST(AddressRequest, MalformedOnesAreRefused) {
  EXPECT_TRUE(says(refused_request(""), "without a requested address (RFC 9484 §4.7.2)"));
  EXPECT_TRUE(says(refused_request("\0\4\0\0\0\0\x20"s), "entry 1: request ID 0"));
  EXPECT_TRUE(says(refused_request("\x80\0\0\0\4\0\0\0\0\x20"s), "request ID 0"));
  EXPECT_TRUE(
      says(refused_request("\1\4\0\0\0\0\x20\x40\1\4\0\0\0\0\x20"s), "entry 2: request ID 1 is there twice"));
  EXPECT_TRUE(says(refused_request("\1\7\0\0\0\0\x20"s), "IP version 7"));
  EXPECT_TRUE(says(refused_request("\1\4\0\0\0\0\x80"s), "prefix length 128"));
  EXPECT_TRUE(says(refused_request("\1\4\0\0\0\1\x1f"s), "bits set"));
  EXPECT_TRUE(says(refused_request("\1"s), "the capsule ends inside the IP version"));
  std::vector<RequestedAddress> many;
  for (std::uint64_t id = 1; id <= max_capsule_addresses + 1; ++id)
    many.push_back({id, prefix("0.0.0.0/32")});
  EXPECT_TRUE(says(refusal(parse_address_request(write_address_request(many)), ErrorKind::too_large),
                   "ADDRESS_REQUEST with more than 64 entries"));
}

TEST(RouteAdvertisement, IsReadAsTheRfcHasIt) {
  const std::string value = range("\0\0\0\0"s, "\xff\xff\xff\xff", 0) + range(v6_db8, v6_db8_1, 17);
  const auto parsed = parse_route_advertisement(as_bytes(value));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, (std::vector<IpRange>{{ip("0.0.0.0"), ip("255.255.255.255"), 0},
                                           {ip("2001:db8::"), ip("2001:db8::1"), 17}}));
  EXPECT_EQ(write_route_advertisement(*parsed).value(),
            std::vector<std::uint8_t>(as_bytes(value).begin(), as_bytes(value).end()));
}

TEST(RouteAdvertisement, MayBeEmpty) {
  EXPECT_TRUE(parse_route_advertisement({}).value().empty());
}

// docs/threat-model.md, "invalid address capsule".
TEST(RouteAdvertisement, MalformedEntriesAreNamed) {
  EXPECT_TRUE(says(refused_routes("\5\1\2\3\4\1\2\3\5\0"s), "entry 1: IP version 5 (RFC 9484 §4.7.3)"));
  EXPECT_TRUE(says(refused_routes(range("\1\2\3\5", "\1\2\3\4", 0)),
                   "from 1.2.3.5 to 1.2.3.4 ends before it starts"));
  for (const auto& whole : {range("\1\1\1\1", "\2\2\2\2", 0), range(v6_db8, v6_db8_1, 0)})
    for (std::size_t size = 1; size < whole.size(); ++size)
      EXPECT_TRUE(says(refused_routes(whole.substr(0, size)), "the capsule ends inside")) << size;
}

// docs/threat-model.md, "invalid address capsule".
TEST(RouteAdvertisement, OrderIsByVersionProtocolAndAddress) {
  const std::string a = "\1\1\1\1", b = "\2\2\2\2", c = "\3\3\3\3", d = "\4\4\4\4";
  EXPECT_EQ(refused_routes(range(a, b, 6) + range(c, d, 6) + range(a, d, 17) + range(v6_db8, v6_db8, 0)),
            "taken");
  EXPECT_EQ(refused_routes(range(a, a, 6) + range("\1\1\1\2", b, 6)), "taken") << "neighbours do not overlap";
  EXPECT_TRUE(
      says(refused_routes(range(v6_db8, v6_db8, 0) + range(a, b, 0)), "entry 2: an IPv4 range follows"));
  EXPECT_TRUE(says(refused_routes(range(a, b, 17) + range(c, d, 6)), "IP protocol is lower"));
  EXPECT_TRUE(says(refused_routes(range(c, d, 6) + range(a, b, 6)), "does not lie behind"));
  EXPECT_TRUE(says(refused_routes(range(a, b, 6) + range(b, c, 6)), "does not lie behind"));
  EXPECT_TRUE(says(refused_routes(range(a, b, 6) + range(a, b, 6)), "does not lie behind"));
  EXPECT_TRUE(says(refused_routes(range(a, d, 6) + range(b, c, 6)), "does not lie behind"));
}

// docs/threat-model.md, "invalid address capsule".
TEST(RouteAdvertisement, ARangeForAllProtocolsOverlapsNoOther) {
  const std::string a = "\1\1\1\1", b = "\2\2\2\2", c = "\3\3\3\3", d = "\4\4\4\4";
  EXPECT_EQ(refused_routes(range(a, b, 0) + range(d, d, 0) + range(c, c, 6)), "taken");
  EXPECT_EQ(refused_routes(range(a, d, 0) + range(v6_db8, v6_db8_1, 6)), "taken");
  EXPECT_EQ(refused_routes(range(a, d, 6) + range(v6_db8, v6_db8_1, 0)), "taken");
  for (const auto& [start, end] :
       {std::pair(a, a), std::pair(b, c), std::pair(a, d), std::pair(c, d), std::pair(d, d)})
    EXPECT_TRUE(says(refused_routes(range(a, b, 0) + range(d, d, 0) + range(start, end, 6)),
                     "entry 3: it overlaps the range from"));
  EXPECT_TRUE(says(refused_routes(range(a, b, 0) + range(v6_db8, v6_db8_1, 0) + range(v6_db8_1, v6_db8_1, 6)),
                   "from 2001:db8:: to 2001:db8::1, which is for all"));
}

// docs/threat-model.md, "invalid address capsule".
TEST(RouteAdvertisement, ThousandsAreTooMany) {
  std::vector<IpRange> ranges;
  for (unsigned i = 0; i < max_capsule_ranges; ++i) {
    const auto address =
        net::IpAddress::v4({10, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 0});
    ranges.push_back({address, address});
  }
  const auto written = write_route_advertisement(ranges);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_TRUE(parse_route_advertisement(*written));
  ranges.push_back({ip("11.0.0.0"), ip("11.0.0.0")});
  EXPECT_TRUE(says(refusal(write_route_advertisement(ranges), ErrorKind::too_large), "1025 ranges"));
  const std::string one_more = std::string(as_text(*written)) + range("\x0b\0\0\0"s, "\x0b\0\0\0"s, 0);
  EXPECT_TRUE(says(refusal(parse_route_advertisement(as_bytes(one_more)), ErrorKind::too_large),
                   "more than 1024 entries"));
}

// docs/threat-model.md, "invalid address capsule".
TEST(RouteAdvertisement, RangesThatBecomeTooManyPrefixesAreRefused) {
  std::vector<IpRange> ranges;  // each one of 158
  for (unsigned i = 1; i <= 103; ++i)
    ranges.push_back({ip(fmt::format("2001:db8:{:x}::1", i)),
                      ip(fmt::format("2001:db8:{:x}:ffff:ffff:ffff:ffff:fffe", i))});
  ranges.push_back({ip("2001:db8:1000::1"), ip("2001:db8:1000:0:ff:ffff:ffff:fffe")});  // 110
  std::size_t prefixes = 0;
  for (const IpRange& each : ranges) prefixes += prefixes_of(each).size();
  EXPECT_EQ(prefixes, max_capsule_prefixes);
  const auto written = write_route_advertisement(ranges);
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_TRUE(parse_route_advertisement(*written));
  ranges.push_back({ip("2001:db8:2000::"), ip("2001:db8:2000::")});
  EXPECT_TRUE(says(refusal(write_route_advertisement(ranges), ErrorKind::too_large),
                   "more than 16384 prefixes (RFC 9484 §4.7.3)"));
  const std::string one_more = std::string(as_text(*written)) + range(v6_db8_1000, v6_db8_1000, 17);
  EXPECT_TRUE(says(refusal(parse_route_advertisement(as_bytes(one_more)), ErrorKind::too_large),
                   "more than 16384 prefixes (RFC 9484 §4.7.3)"));
}

TEST(RouteAdvertisement, WhatIsSendableIsTaken) {
  const std::vector<IpRange> ranges{
      {ip("2001:db8::"), ip("2001:db8::ffff"), 17}, {ip("10.0.0.0"), ip("10.0.0.255"), 6},
      {ip("10.0.0.9"), ip("10.0.1.9"), 6},          {ip("::"), ip("::ffff"), 0},
      {ip("10.0.0.99"), ip("10.0.0.100"), 0},       {ip("2001:db8::5"), ip("2001:db8::5"), 0}};
  const auto sorted = sendable(ranges);
  const auto parsed = parse_route_advertisement(write_route_advertisement(sorted).value());
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(*parsed, sorted);
}

TEST(RequestIds, NoneIsUsedTwice) {
  RequestIds ids;
  for (const std::uint64_t id : {5u, 1u, 3u, 4u, 2u, 9u, 8u}) EXPECT_TRUE(ids.add(id)) << id;
  for (const std::uint64_t id : {1u, 2u, 3u, 4u, 5u, 8u, 9u})
    EXPECT_EQ(refusal(ids.add(id)),
              "request ID " + std::to_string(id) + " was used before (RFC 9484 §4.7.2)");
  for (const std::uint64_t id : {6u, 7u, 10u}) EXPECT_TRUE(ids.add(id)) << id;
  EXPECT_FALSE(ids.add(6));
}

// docs/threat-model.md, "invalid address capsule".
TEST(RequestIds, WhoCountsOrJumpsGoesOnForEver) {
  RequestIds counting;
  for (std::uint64_t id = 1; id < 100'000; ++id) ASSERT_TRUE(counting.add(id));
  RequestIds upwards, downwards;
  for (std::uint64_t i = 1; i < 10'000; ++i) {
    ASSERT_TRUE(upwards.add(3 * i)) << i;
    ASSERT_FALSE(upwards.add(3 * i)) << i;
    ASSERT_TRUE(downwards.add(1'000'000 - 3 * i)) << i;
    ASSERT_FALSE(downwards.add(1'000'000 - 3 * i)) << i;
  }
}

TEST(RequestIds, OfWhoJumpsTheLowestAreRememberedTogether) {
  RequestIds ids;
  for (std::uint64_t i = 0; i < 64; ++i) ASSERT_TRUE(ids.add(1000 - 2 * i));
  EXPECT_TRUE(ids.add(1)) << "the 65th";
  EXPECT_EQ(refusal(ids.add(500)),
            "request ID 500 was used before or lies between some that were (RFC 9484 §4.7.2)");
  EXPECT_EQ(refusal(ids.add(876)), "request ID 876 was used before (RFC 9484 §4.7.2)");
  EXPECT_TRUE(ids.add(877)) << "a gap further up";
  EXPECT_TRUE(ids.add(879));
  EXPECT_TRUE(ids.add(5000)) << "there is room again";
  EXPECT_TRUE(ids.add(875));
  EXPECT_FALSE(ids.add(874));
}

}  // namespace
}  // namespace sallyport::masque
