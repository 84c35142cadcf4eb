#include "client/tun_events.h"

#include "client/tun_figures_for_test.h"

#include <string>
#include <vector>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

namespace json = boost::json;

struct TunEventsTest : testing::Test {
  json::object last() {
    EXPECT_FALSE(lines.empty());
    EXPECT_EQ(lines.back().find('\n'), lines.back().size() - 1) << "one line each";
    return json::parse(lines.back()).as_object();
  }
  std::vector<std::string> lines;
  TunEvents events{[this](const std::string& line) { lines.push_back(line); }};
  TunFigures figures = tun_figures_for_test();
};

TEST_F(TunEventsTest, EachHasItsNameItsTimeAndWhatItIsAbout) {
  const TunDeviceFigures& device = figures.devices[1];
  events.on_opened(device);
  EXPECT_EQ(last().at("event"), "opened");
  EXPECT_EQ(last().at("device"), "vpn1");
  EXPECT_THAT(std::string(last().at("time").as_string()),
              testing::MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z"));
  events.on_addresses(device);
  EXPECT_EQ(last().at("addresses"), json::array{"10.7.0.2"});
  events.on_routes(device);
  EXPECT_EQ(last().at("routes"), json::array{"0.0.0.0/0"});
  events.on_mtu(device);
  EXPECT_EQ(last().at("mtu"), 1420);
}

TEST_F(TunEventsTest, FiguresAreOfEveryHopAndDevice) {
  events.figures(figures);
  const json::object object = last();
  EXPECT_EQ(object.at("links").as_array().size(), 2u);
  EXPECT_EQ(object.at("links").at(1).at("quic").at("packets_lost"), 10);
  EXPECT_EQ(object.at("devices").at(0).at("dropped"),
            (json::object{{"up", {{"queue", 2}, {"size", 0}}}, {"down", {{"destination", 1}}}}));
  EXPECT_EQ(object.at("devices").at(1).at("bytes_up"), 3 << 20);
}

TEST_F(TunEventsTest, TheEndHasItsReason) {
  events.closed("hop 1 (gw): it is gone\x1b", figures);
  EXPECT_EQ(last().at("reason"), "hop 1 (gw): it is gone\x1b");
  EXPECT_EQ(lines.back().find('\x1b'), std::string::npos) << "escaped";
  EXPECT_EQ(last().at("bytes_up"), 6 << 20);
  events.closed("", figures);
  EXPECT_TRUE(last().at("reason").is_null());
}

}  // namespace
}  // namespace sallyport::client
