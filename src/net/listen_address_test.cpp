#include "net/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

using testing::HasSubstr;

SocketAddress address(std::string_view text) {
  return SocketAddress::parse(text).value();
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

}  // namespace
}  // namespace sallyport::net
