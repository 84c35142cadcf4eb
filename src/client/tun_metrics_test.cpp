#include "client/tun_metrics.h"

#include "client/tun_figures_for_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text_of(const TunFigures& figures) {
  admin::MetricSet out;
  collect_tun(figures, out);
  return out.to_text();
}

TEST(TunMetrics, AreOfEachDeviceAndHop) {
  const std::string text = text_of(tun_figures_for_test());
  for (const char* line :
       {"sallyport_tun_open{device=\"vpn1\"} 1\n", "sallyport_tun_mtu_bytes{device=\"vpn0\"} 1420\n",
        "sallyport_tun_bytes_total{device=\"vpn0\",direction=\"up\"} 3145728\n",
        "sallyport_tun_dropped_total{device=\"vpn1\",direction=\"down\",reason=\"destination\"} 1\n",
        "sallyport_hop_rtt_seconds{hop=\"2\"} 0.0123\n", "sallyport_hop_packets_lost_total{hop=\"1\"} 10\n",
        "sallyport_hop_info{hop=\"1\",version=\"HTTP/3\"} 1\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

// Round-trip times of two connections make no sum.
TEST(TunMetrics, OfSeveralConnectionsToOneHopGaugesAreOfTheNewest) {
  TunFigures figures = tun_figures_for_test();
  figures.links[1].title = figures.links[0].title;
  figures.links[1].quic.smoothed_rtt = 20ms;
  const std::string text = text_of(figures);
  EXPECT_THAT(text, HasSubstr("sallyport_hop_rtt_seconds{hop=\"1\"} 0.02\n"));
  EXPECT_THAT(text, HasSubstr("sallyport_hop_packets_lost_total{hop=\"1\"} 20\n"));
  EXPECT_THAT(text, Not(HasSubstr("hop=\"2\"")));
}

TEST(TunMetrics, OfAConnectionThatIsNotEstablishedThereAreNone) {
  TunFigures figures = tun_figures_for_test();
  figures.links[1].quic.established = Time{};
  figures.links[1].version.clear();
  EXPECT_THAT(text_of(figures), Not(HasSubstr("hop=\"2\"")));
}

}  // namespace
}  // namespace sallyport::client
