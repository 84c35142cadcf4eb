#include "masque/ip_trace.h"

#include "masque/ip_capsules.h"

#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

net::IpPrefix prefix(std::string_view text) {
  return net::IpPrefix::parse(text).value();
}

TEST(IpTrace, SaysWhatACapsuleSays) {
  const std::vector<AssignedAddress> assigned{
      {0, prefix("10.7.0.2/32")}, {1, prefix("fd07::2/128")}, {2, prefix("0.0.0.0/32")}};
  EXPECT_EQ(describe_ip_capsule(capsule_address_assign, write_address_assign(assigned)),
            "ADDRESS_ASSIGN 10.7.0.2/32 fd07::2/128 (request 1) none (request 2)");
  const std::vector<RequestedAddress> requested{{7, prefix("0.0.0.0/32")}, {8, prefix("fd07::5/128")}};
  EXPECT_EQ(describe_ip_capsule(capsule_address_request, write_address_request(requested)),
            "ADDRESS_REQUEST 0.0.0.0/32 (request 7) fd07::5/128 (request 8)");
  const auto routes =
      write_route_advertisement(sendable({range_of(prefix("8.0.0.0/8")), range_of(prefix("9.0.0.0/8"), 17)}));
  EXPECT_EQ(describe_ip_capsule(capsule_route_advertisement, routes.value()),
            "ROUTE_ADVERTISEMENT 8.0.0.0-8.255.255.255 9.0.0.0-9.255.255.255 (protocol 17)");
  EXPECT_EQ(describe_ip_capsule(capsule_address_assign, {}), "ADDRESS_ASSIGN of nothing");
  EXPECT_EQ(describe_ip_capsule(0x2929, {}), "");
}

TEST(IpTrace, IsShortForLongCapsulesAndSaysWhatIsWrong) {
  std::vector<RequestedAddress> many;
  for (std::uint64_t id = 1; id <= 20; ++id) many.push_back({id, prefix("0.0.0.0/32")});
  const std::string text = describe_ip_capsule(capsule_address_request, write_address_request(many));
  EXPECT_TRUE(text.ends_with("(request 16) and 4 more")) << text;
  const std::vector<std::uint8_t> broken{0x01};
  EXPECT_TRUE(describe_ip_capsule(capsule_address_assign, broken).starts_with("ADDRESS_ASSIGN: "));
}

}  // namespace
}  // namespace sallyport::masque
