#include "client/tun_report.h"

#include "client/tun.h"
#include "client/tun_figures_for_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

TEST(TunStatusLine, HasRatesDropsAndEachHop) {
  const TunFigures now = tun_figures_for_test();
  TunFigures before = now;
  for (TunDeviceFigures& device : before.devices) device.bytes_up -= 1 << 20;
  before.links[0].quic.packets_sent -= 100;
  before.links[0].quic.packets_lost -= 1;
  before.links[1].quic.started = Time{};  // another connection
  const std::string line = tun_status_line(now, before, 2, 1000);
  EXPECT_THAT(line, StartsWith("up 1.0 MiB/s, down 0 B/s | dropped 4 up queue, 2 down destination | hop 1 "));
  EXPECT_THAT(line, HasSubstr("hop 1 HTTP/3 rtt 12.3 ms lost 1.0% cwnd 64.0 KiB queue 2.0 KiB budget 1400"));
  EXPECT_THAT(line, HasSubstr("hop 2 HTTP/3 rtt 12.3 ms lost 1.0% "));
  EXPECT_THAT(tun_status_line(now, before, 2, 30), SizeIs(30));
}

TEST(TunStatusLine, OfAHopThatIsNotReadyOrNotQuicHasNoFiguresOfIt) {
  TunFigures now = tun_figures_for_test();
  now.devices.clear();
  now.links[0].version.clear();
  now.links[0].quic = {};
  now.links[1].over_quic = false;
  now.links[1].version = "HTTP/2";
  const std::string line = tun_status_line(now, {}, 0, 1000);
  EXPECT_EQ(line, "up 0 B/s, down 0 B/s | hop 1 connecting | hop 2 HTTP/2");
}

TEST(TunSummary, SaysHowMuchInWhatTime) {
  TunFigures figures = tun_figures_for_test();
  EXPECT_EQ(tun_summary(figures), "up 6.0 MiB, down 6.0 GiB in 3 h 5 min");
  const std::pair<Duration, const char*> times[] = {
      {0s, "0 s"}, {59s, "59 s"}, {60s, "1 min"},         {61s, "1 min 1 s"},
      {2h, "2 h"}, {24h, "1 d"},  {49h + 3min, "2 d 1 h"}};
  for (const auto& [time, words] : times) {
    figures.open_for = time;
    EXPECT_THAT(tun_summary(figures), testing::EndsWith(std::string(" in ") + words));
  }
}

TEST(TunFigures, HopsAreNumberedByTheirTitles) {
  TunFigures figures = tun_figures_for_test();
  figures.links.insert(figures.links.begin(), figures.links.front());
  EXPECT_THAT(hop_numbers(figures.links), testing::ElementsAre(1, 1, 2));
}

TEST(TunDeviceName, HasItsNumberWhereThereAreSeveral) {
  EXPECT_EQ(tun_device_name("vpn", 0, 1), "vpn");
  EXPECT_EQ(tun_device_name("", 3, 5), "");
  EXPECT_EQ(tun_device_name("vpn", 3, 5), "vpn3");
  EXPECT_EQ(tun_device_name("a%db", 255, 256), "a255b");
}

}  // namespace
}  // namespace sallyport::client
