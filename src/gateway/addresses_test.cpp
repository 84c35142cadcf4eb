#include "gateway/addresses.h"

#include "net/tcp.h"
#include "net/udp_socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

using testing::HasSubstr;

net::SocketAddress address(std::string_view text) {
  return net::SocketAddress::parse(text).value();
}

TEST(ParseListen, TakesAddressesAndNames) {
  EXPECT_EQ(parse_listen("192.0.2.1:443").value(), std::vector{address("192.0.2.1:443")});
  EXPECT_EQ(parse_listen(":443").value(), std::vector{address("[::]:443")});
  EXPECT_THAT(parse_listen("localhost:8443").value(), testing::Contains(address("127.0.0.1:8443")));
  for (const auto* text :
       {"", "443", "host", "host:", "host:port", "host:65536", "[::1]", "::1:443", "http://a:1", "a:-1"}) {
    const auto result = parse_listen(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().kind, ErrorKind::usage) << text;
  }
}

TEST(ParseListen, SaysWhatIsWrong) {
  for (const auto* text : {":99999", "host:65536", "[::1]:123456789012", "127.0.0.1:65536"})
    EXPECT_THAT(parse_listen(text).error().message,
                testing::AllOf(HasSubstr(std::string("'") + text + "'"), HasSubstr("from 1 to 65535")));
  EXPECT_THAT(parse_listen("host").error().message, HasSubstr("write it as HOST:PORT, [IPV6]:PORT or :PORT"));
  EXPECT_THAT(parse_listen("host", "AS YOU LIKE").error().message, HasSubstr("write it as AS YOU LIKE"));
  const auto unknown = parse_listen("nosuch.invalid:80", "AS YOU LIKE");
  EXPECT_EQ(unknown.error().kind, ErrorKind::resolve);
  EXPECT_THAT(unknown.error().message, testing::Not(HasSubstr("AS YOU LIKE")));
}

TEST(ClaimPorts, FindsOneThatIsFreeForBoth) {
  net::EventLoop loop;
  const auto wanted = address("127.0.0.1:0");
  const auto found = claim_ports(loop, {wanted, wanted}, true);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 2u);
  EXPECT_NE((*found)[0].port(), 0);
  EXPECT_NE((*found)[0].port(), (*found)[1].port());
  // They are free again: the same ones can be claimed by number.
  EXPECT_TRUE(claim_ports(loop, *found, true));
}

TEST(ClaimPorts, NamesWhatIsInTheWay) {
  net::EventLoop loop;
  // As another worker group would hold it.
  auto udp =
      net::UdpSocket::bind(loop, address("127.0.0.1:0"), {.reuse_port = true, .warn_small_buffers = false});
  ASSERT_TRUE(udp);
  auto tcp = net::TcpListener::listen(loop, address("127.0.0.1:0"), {.reuse_port = true}, [](auto) {});
  ASSERT_TRUE(tcp);
  const auto taken_udp = claim_ports(loop, {(*udp)->net_path().local}, true);
  const auto taken_tcp = claim_ports(loop, {(*tcp)->local()}, true);
  ASSERT_FALSE(taken_udp);
  ASSERT_FALSE(taken_tcp);
  EXPECT_THAT(taken_udp.error().message, HasSubstr("in use for UDP"));
  EXPECT_THAT(taken_udp.error().message, HasSubstr((*udp)->net_path().local.to_string()));
  EXPECT_THAT(taken_tcp.error().message, HasSubstr("in use for TCP"));
  EXPECT_TRUE(claim_ports(loop, {(*tcp)->local()}, false));
  const auto foreign = claim_ports(loop, {address("192.0.2.77:4433")}, true);
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error().message, HasSubstr("192.0.2.77:4433 is not an address of this machine"));
}

}  // namespace
}  // namespace sallyport::gateway
