#include "gateway/lease_page.h"

#include <chrono>

#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

net::IpAddress ip(const char* text) {
  return net::IpAddress::parse(text).value();
}

constexpr WallTime now{std::chrono::sys_days{std::chrono::year{2026} / 11 / 30} + 1h};

Leases leases() {
  const masque::IpTunnelFigures alices{.addresses = {ip("10.89.0.3"), ip("fd89::3")},
                                       .networks = {net::IpPrefix::parse("192.168.7.0/24").value()},
                                       .identity = "alice",
                                       .client = net::SocketAddress::parse("[::ffff:192.0.2.2]:5000").value(),
                                       .version = http::Version::http3,
                                       .open_for = 1500ms,
                                       .packets_up = 1,
                                       .bytes_up = 2,
                                       .packets_down = 3,
                                       .bytes_down = 4,
                                       .dropped_queue = 5};
  const masque::IpTunnelFigures anyones{.addresses = {ip("10.89.0.2")},
                                        .client = net::SocketAddress::parse("[2001:db8::9]:6000").value(),
                                        .version = http::Version::http2};
  return {.open = {{alices}, {anyones}},
          .remembered = {{ip("10.89.0.4"), {masque::Identity{.name = "bob"}, ip("192.0.2.3")}},
                         {ip("fd89::4"), masque::ClientKey(ip("2001:db8::1:9"))}}};
}

TEST(LeasePage, IsALineForEachTunnelAndEachAddressThatIsKept) {
  EXPECT_EQ(
      leases_as_text(leases(), now),
      "STATE\tADDRESSES\tIDENTITY\tCLIENT\tVERSION\tWORKER\tSINCE\tPACKETS_UP\tBYTES_UP\tPACKETS_DOWN\t"
      "BYTES_DOWN\tDROPPED\tNETWORKS\n"
      "open\t10.89.0.2\t-\t[2001:db8::9]:6000\tHTTP/2\t1\t2026-11-30T01:00:00.000Z\t0\t0\t0\t0\t0\t-\n"
      "open\t10.89.0.3,fd89::3\talice\t192.0.2.2:5000\tHTTP/3\t0\t2026-11-30T00:59:58.500Z\t1\t2\t3\t4\t5\t"
      "192.168.7.0/24\n"
      "kept\t10.89.0.4\tbob\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\n"
      "kept\tfd89::4\t-\t2001:db8::/64\t-\t-\t-\t-\t-\t-\t-\t-\t-\n");
}

TEST(LeasePage, TellsTheSameAsJson) {
  EXPECT_EQ(
      leases_as_json(leases(), now),
      R"([{"state":"open","addresses":["10.89.0.2"],"client":"2001:db8::9","client_port":6000,"version":"HTTP/2",)"
      R"("worker":1,"since":"2026-11-30T01:00:00.000Z","packets_up":0,"bytes_up":0,"packets_down":0,)"
      R"("bytes_down":0,"dropped":0},)"
      R"({"state":"open","addresses":["10.89.0.3","fd89::3"],"identity":"alice","client":"192.0.2.2",)"
      R"("client_port":5000,"version":"HTTP/3","worker":0,"since":"2026-11-30T00:59:58.500Z","packets_up":1,)"
      R"("bytes_up":2,"packets_down":3,"bytes_down":4,"dropped":5,"networks":["192.168.7.0/24"]},)"
      R"({"state":"kept","addresses":["10.89.0.4"],"identity":"bob"},)"
      R"({"state":"kept","addresses":["fd89::4"],"client":"2001:db8::/64"}])"
      "\n");
}

}  // namespace
}  // namespace sallyport::gateway
