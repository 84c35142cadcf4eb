#include "net/socket_calls.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

TEST(SocketCalls, PortsThatAreAllTakenAreCalledThat) {
  for (const int number : {EAGAIN, EADDRNOTAVAIL}) {
    const Error error = connect_error("cannot connect to 192.0.2.1:443", number);
    EXPECT_EQ(error.kind, number == EAGAIN ? ErrorKind::resource : ErrorKind::unreachable);
    EXPECT_TRUE(error.message.starts_with("cannot connect to 192.0.2.1:443: no ephemeral port is free"))
        << error.message;
    EXPECT_NE(error.message.find("net.ipv4.ip_local_port_range"), std::string::npos);
    EXPECT_EQ(error.message.find("temporarily"), std::string::npos);
  }
  EXPECT_EQ(connect_error("x", ECONNREFUSED).message, socket_error("x", ECONNREFUSED).message);
}

}  // namespace
}  // namespace sallyport::net
