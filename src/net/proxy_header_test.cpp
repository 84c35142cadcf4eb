#include "net/proxy_header.h"

#include "net/proxy_header_for_test.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

using namespace std::string_literals;
using test::proxy_v2;
using testing::HasSubstr;

/// What a complete header names: "192.0.2.1:443", or "" where it names nobody.
std::string client_of(const ProxyHeader& header) {
  return header.source ? header.source->to_string() : std::string();
}

/// Comes byte by byte, with other bytes right behind it: incomplete until its last byte, and then as long as
/// it is.
void expect_header(const std::string& header, const std::string& client) {
  for (std::size_t size = 0; size < header.size(); ++size) {
    const auto parsed = parse_proxy_header(as_bytes(header).first(size));
    ASSERT_TRUE(parsed) << size << " bytes: " << parsed.error().message;
    EXPECT_FALSE(*parsed) << size << " bytes of " << header.size();
  }
  for (const std::string& behind : {""s, "\x16\x03\x01\x02"s, "\r\n"s, header, std::string(5000, 'x')}) {
    const auto parsed = parse_proxy_header(as_bytes(header + behind));
    ASSERT_TRUE(parsed) << parsed.error().message;
    ASSERT_TRUE(*parsed);
    EXPECT_EQ((*parsed)->size, header.size());
    EXPECT_EQ(client_of(**parsed), client);
  }
}

void expect_malformed(const std::string& bytes, const std::string& words) {
  const auto parsed = parse_proxy_header(as_bytes(bytes));
  ASSERT_FALSE(parsed) << bytes;
  EXPECT_EQ(parsed.error().kind, ErrorKind::protocol);
  EXPECT_THAT(parsed.error().message, HasSubstr(words)) << bytes;
}

TEST(ProxyHeaderV1, NamesTheClient) {
  expect_header("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1:56324");
  expect_header("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535");
  expect_header("PROXY TCP4 192.0.2.1 198.51.100.1 0 0\r\n", "192.0.2.1:0");
  expect_header("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", "[2001:db8::1]:56324");
  const std::string longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  expect_header("PROXY TCP6 " + longest + " " + longest + " 65535 65535\r\n", "[" + longest + "]:65535");
}

TEST(ProxyHeaderV1, UnknownNamesNobody) {
  expect_header("PROXY UNKNOWN\r\n", "");
  expect_header("PROXY UNKNOWN 192.0.2.1 198.51.100.1 56324 443\r\n", "");
  expect_header("PROXY UNKNOWN whatever stands here\r\n", "");
  expect_header("PROXY UNKNOWN " + std::string(107 - 14 - 2, 'x') + "\r\n", "");
}

TEST(ProxyHeaderV1, IsMalformedInManyWays) {
  const std::string no_end = "does not end within 107 bytes";
  expect_malformed("PROXY UNKNOWN " + std::string(93, 'x'), no_end);
  expect_malformed("PROXY UNKNOWN " + std::string(92, 'x') + "\r", no_end);
  expect_malformed("PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", no_end);
  expect_malformed("PROXY UNKNOWN " + std::string(10'000, 'x') + "\r\n", no_end);
  expect_malformed("PROXY UNKNOWN\n", "ends without CR");
  expect_malformed("PROXY UNKNOWN\rx", "not followed by LF");
  expect_malformed("PROXY \r\n", "neither TCP4, TCP6 nor UNKNOWN");
  for (const char* const family : {"TCP5", "TCP", "tcp4", "UDP4", "UNKNOWN4", "", " TCP4"})
    expect_malformed("PROXY "s + family + " 192.0.2.1 198.51.100.1 56324 443\r\n",
                     "neither TCP4, TCP6 nor UNKNOWN");
  for (const char* const rest : {"", " ", " 192.0.2.1", " 192.0.2.1 198.51.100.1",
                                 " 192.0.2.1 198.51.100.1 56324", " 192.0.2.1 198.51.100.1 56324 443 ",
                                 " 192.0.2.1  198.51.100.1 56324 443", " 192.0.2.1 198.51.100.1 56324 443 5"})
    expect_malformed("PROXY TCP4"s + rest + "\r\n", "no two addresses and two ports");
  for (const char* const address :
       {"192.0.2", "192.0.2.256", "192.0.2.01", "192.0.2.1.", "2001:db8::1", "localhost", "192.0.2.1:5", ""})
    for (const bool source : {true, false})
      expect_malformed("PROXY TCP4 "s + (source ? address : "192.0.2.1") + " " +
                           (source ? "192.0.2.1" : address) + " 56324 443\r\n",
                       "an address is not one of its family");
  for (const char* const address : {"192.0.2.1", "2001:db8::1::", "2001:db8::g", "[2001:db8::1]",
                                    "fe80::1%lo", "fe80::1%1", "2001:db8::1/64"})
    for (const bool source : {true, false})
      expect_malformed(
          "PROXY TCP6 "s + (source ? address : "::1") + " " + (source ? "::1" : address) + " 56324 443\r\n",
          "an address is not one of its family");
  for (const char* const port :
       {"65536", "-1", "+1", "0443", "00", "x", "44x", "0x1", "99999999999999999999", ""})
    for (const bool source : {true, false})
      expect_malformed("PROXY TCP4 192.0.2.1 198.51.100.1 "s + (source ? port : "1") + " " +
                           (source ? "1" : port) + "\r\n",
                       "a port is no number from 0 to 65535");
  expect_malformed("PROXY TCP4 192.0.2.1\0 198.51.100.1 1 1\r\n"s, "an address is not one of its family");
}

const std::string v4_addresses = "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"s;
const std::string v6_addresses = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01\x20\x01\x0d\xb8"s +
                                 std::string(11, '\0') + "\x02\xdc\x04\x01\xbb"s;

TEST(ProxyHeaderV2, NamesTheClient) {
  expect_header(proxy_v2(0x21, 0x11, v4_addresses), "192.0.2.1:56324");
  expect_header(proxy_v2(0x21, 0x21, v6_addresses), "[2001:db8::1]:56324");
}

TEST(ProxyHeaderV2, NamesNobodyForItsSenderOrForWhatIsNoTcp) {
  const std::string none;
  expect_header(proxy_v2(0x20, 0x00, none), none);          // LOCAL
  expect_header(proxy_v2(0x20, 0x11, v4_addresses), none);  // LOCAL: addresses mean nothing
  expect_header(proxy_v2(0x20, 0x11, "x"), none);
  expect_header(proxy_v2(0x20, 0xff, "x"), none);
  expect_header(proxy_v2(0x21, 0x00, none), none);  // unspecified
  expect_header(proxy_v2(0x21, 0x00, "what it does not say"), none);
  expect_header(proxy_v2(0x21, 0x01, v4_addresses), none);
  expect_header(proxy_v2(0x21, 0x31, std::string(216, '/')), none);  // AF_UNIX
  expect_header(proxy_v2(0x21, 0x10, v4_addresses), none);           // an unspecified transport
  expect_header(proxy_v2(0x21, 0x12, v4_addresses), none);           // UDP
  expect_header(proxy_v2(0x21, 0x22, v6_addresses), none);
}

TEST(ProxyHeaderV2, SkipsItsTlvs) {
  const std::string tlvs =
      "\x01\x00\x02h2"s + "\x02\x00\x06"s + "a.test" + "\x04\x00\x00"s + "\x30\x00\x01x"s;
  expect_header(proxy_v2(0x21, 0x11, v4_addresses + tlvs), "192.0.2.1:56324");
  expect_header(proxy_v2(0x21, 0x21, v6_addresses + tlvs), "[2001:db8::1]:56324");
  expect_header(proxy_v2(0x21, 0x31, std::string(216, '/') + tlvs), "");
  const std::size_t room = max_proxy_header - 16 - 12 - 3;
  const std::string large = "\xea"s + static_cast<char>(room >> 8) + static_cast<char>(room & 0xff);
  const std::string header = proxy_v2(0x21, 0x11, v4_addresses + large + std::string(room, 'x'));
  ASSERT_EQ(header.size(), max_proxy_header);
  expect_header(header, "192.0.2.1:56324");
}

TEST(ProxyHeaderV2, ChecksItsChecksum) {
  // Of these bytes with zeros in its place, computed elsewhere.
  const std::string checksum = "\x9c\x71\xff\x11";
  const std::string fits = proxy_v2(0x21, 0x11, v4_addresses + "\x03\x00\x04"s + checksum + "\x04\x00\x00"s);
  expect_header(fits, "192.0.2.1:56324");
  for (const std::size_t at : {std::size_t{16}, std::size_t{27}, std::size_t{31}, std::size_t{34}}) {
    std::string other = fits;
    other[at] = static_cast<char>(other[at] ^ 1);
    expect_malformed(other, "its checksum is wrong");
  }
  expect_malformed(proxy_v2(0x21, 0x11, v4_addresses + "\x03\x00\x03"s + "abc"), "its checksum is wrong");
  expect_malformed(proxy_v2(0x21, 0x11, v4_addresses + "\x03\x00\x00"s), "its checksum is wrong");
}

TEST(ProxyHeaderV2, IsMalformedInManyWays) {
  for (const int command : {0x11, 0x31, 0x01, 0xf1})
    expect_malformed(proxy_v2(command, 0x11, v4_addresses), "its version is not 2");
  for (const int command : {0x22, 0x2f})
    expect_malformed(proxy_v2(command, 0x11, v4_addresses), "its command is");
  for (const int family : {0x41, 0xf1, 0x13, 0x1f, 0x03})
    expect_malformed(proxy_v2(0x21, family, v4_addresses), "its address family or transport is not known");
  expect_malformed(proxy_v2(0x21, 0x11, v4_addresses.substr(1)), "its addresses are cut off");
  expect_malformed(proxy_v2(0x21, 0x11, ""), "its addresses are cut off");
  expect_malformed(proxy_v2(0x21, 0x21, v6_addresses.substr(1)), "its addresses are cut off");
  expect_malformed(proxy_v2(0x21, 0x21, v4_addresses), "its addresses are cut off");
  expect_malformed(proxy_v2(0x21, 0x31, std::string(215, '/')), "its addresses are cut off");
  for (const std::string& cut : {"\x01"s, "\x01\x00"s, "\x04\x00\x00\x01"s})
    expect_malformed(proxy_v2(0x21, 0x11, v4_addresses + cut), "a TLV is cut off");
  for (const std::string& cut : {"\x01\x00\x01"s, "\x01\xff\xff"s + "h2", "\x04\x00\x00\x01\x00\x02h"s})
    expect_malformed(proxy_v2(0x21, 0x11, v4_addresses + cut), "a TLV is longer than the header");
}

TEST(ProxyHeaderV2, IsRefusedByItsLengthAlone) {
  const std::string whole = proxy_v2(0x20, 0x00, std::string(max_proxy_header - 15, 'x'));
  for (const std::size_t size : {std::size_t{16}, whole.size()})
    expect_malformed(whole.substr(0, size), "longer than 4096 bytes");
  expect_malformed(proxy_v2(0x20, 0x00, std::string(0xffff, 'x')), "longer than 4096 bytes");
}

TEST(ProxyHeader, AnythingElseIsNoneFromItsFirstWrongByte) {
  const std::string none = "does not begin with a PROXY header";
  for (const char* const start :
       {"\x16", "G", "PR0", "PROXY\r", "PROXYTCP", "proxy", " PROXY ", "\n", "\r\r"})
    expect_malformed(start, none);
  const std::string signature = proxy_v2(0x21, 0x11, "").substr(0, 12);
  for (std::size_t at = 0; at < signature.size(); ++at) {
    std::string other = signature.substr(0, at + 1);
    other[at] = '!';
    expect_malformed(other, none);
    expect_malformed(other + signature.substr(at + 1), none);
  }
}

}  // namespace
}  // namespace sallyport::net
