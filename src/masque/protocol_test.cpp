#include "masque/protocol.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

TEST(Protocol, HasTheNameThatFlagsAndMetricsGiveIt) {
  EXPECT_EQ(to_string(Protocol::udp), "udp");
  EXPECT_EQ(to_string(Protocol::tcp), "tcp");
  EXPECT_EQ(to_string(Protocol::ip), "ip");
}

TEST(Protocols, AreASet) {
  Protocols protocols{Protocol::udp, Protocol::ip};
  EXPECT_TRUE(protocols.contains(Protocol::udp));
  EXPECT_FALSE(protocols.contains(Protocol::tcp));
  EXPECT_TRUE(protocols.contains(Protocol::ip));
  EXPECT_EQ(protocols, (Protocols{Protocol::ip, Protocol::udp, Protocol::udp}));
  protocols.erase(Protocol::udp);
  protocols.erase(Protocol::tcp);
  EXPECT_EQ(protocols, Protocols{Protocol::ip});
  EXPECT_FALSE(protocols.empty());
  protocols.erase(Protocol::ip);
  EXPECT_TRUE(protocols.empty());
  EXPECT_TRUE(Protocols().empty());
}

TEST(PerProtocol, HasAValueOfItsOwnForEach) {
  PerProtocol<int> values;
  for (const Protocol protocol : all_protocols) {
    EXPECT_EQ(values[protocol], 0);
    values[protocol] = static_cast<int>(protocol) + 10;
  }
  for (const Protocol protocol : all_protocols) EXPECT_EQ(values[protocol], static_cast<int>(protocol) + 10);
}

}  // namespace
}  // namespace sallyport::masque
