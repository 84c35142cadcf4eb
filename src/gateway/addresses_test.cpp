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

TEST(ClaimPorts, FindsOneThatIsFreeForBoth) {
  net::EventLoop loop;
  const auto wanted = address("127.0.0.1:0");
  const auto found = claim_ports(loop, {{"--listen", {wanted, wanted}}});
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 2u);
  EXPECT_NE((*found)[0].port(), 0);
  EXPECT_NE((*found)[0].port(), (*found)[1].port());
  // They are free again: the same ones can be claimed by number.
  EXPECT_TRUE(claim_ports(loop, {{"--listen", *found}}));
}

TEST(ClaimPorts, NamesWhatIsInTheWay) {
  net::EventLoop loop;
  // As another worker group would hold it.
  auto udp =
      net::UdpSocket::bind(loop, address("127.0.0.1:0"), {.reuse_port = true, .warn_small_buffers = false});
  ASSERT_TRUE(udp);
  auto tcp = net::TcpListener::listen(loop, address("127.0.0.1:0"), {.reuse_port = true}, [](auto) {});
  ASSERT_TRUE(tcp);
  const auto taken_udp = claim_ports(loop, {{"--listen", {(*udp)->net_path().local}}});
  const auto taken_tcp = claim_ports(loop, {{"--listen", {(*tcp)->local()}}});
  ASSERT_FALSE(taken_udp);
  ASSERT_FALSE(taken_tcp);
  EXPECT_THAT(taken_udp.error().message, HasSubstr("in use for UDP"));
  EXPECT_THAT(taken_udp.error().message, HasSubstr((*udp)->net_path().local.to_string()));
  EXPECT_THAT(taken_tcp.error().message, HasSubstr("in use for TCP"));
  EXPECT_TRUE(claim_ports(loop, {{"--listen", {(*tcp)->local()}, true, false}}));
  const auto foreign = claim_ports(loop, {{"--listen", {address("192.0.2.77:4433")}}});
  ASSERT_FALSE(foreign);
  EXPECT_THAT(foreign.error().message, HasSubstr("192.0.2.77:4433 is not an address of this machine"));
}

}  // namespace
}  // namespace sallyport::gateway
