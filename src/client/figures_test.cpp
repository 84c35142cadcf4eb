#include "client/figures.h"

#include <sstream>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Le;
using testing::Not;
using testing::SizeIs;

GetFigures figures_of(std::uint64_t bytes) {
  GetFigures figures;
  TransferFigures transfer;
  transfer.url =
      "https://a-host-with-a-long-name.example.org:8443/a/deep/folder/and/a/file/with/a/long/name.tar.gz";
  transfer.fetch.status = 200;
  transfer.fetch.bytes = bytes;
  transfer.fetch.started = Time{1s};
  transfer.fetch.first_byte = transfer.fetch.started + 1234ms;
  transfer.fetch.ended = transfer.fetch.started + 98'765'432ms;
  figures.transfers.push_back(transfer);
  dial::LinkFigures link;
  link.title = "hop 12 (a-host-with-a-long-name.example.org:8443)";
  link.version = "h3";
  link.over_quic = true;
  link.path_budget = 65'000;
  link.quic.started = Time{1s};
  link.quic.established = link.quic.first_byte = Time{11s};
  link.quic.smoothed_rtt = link.quic.min_rtt = 1234ms;
  link.quic.packets_lost = 123'456;
  link.quic.max_udp_payload = 65'527;
  figures.links.push_back(link);
  link.over_quic = false;
  link.version = "h2";
  figures.links.push_back(link);
  figures.process.cpu_user_seconds = 0.01;
  return figures;
}

TEST(FiguresTable, FitsATerminalOf80Columns) {
  std::istringstream lines(figures_table(figures_of(std::uint64_t{1} << 40)));
  for (std::string line; std::getline(lines, line);) EXPECT_THAT(line, SizeIs(Le(80u)));
}

TEST(FiguresTable, SaysWhosePacketsWereLost) {
  EXPECT_THAT(figures_table(figures_of(5)), HasSubstr("lost: packets we sent that were lost;"));
}

// A hop that never answered has neither times nor sizes.
TEST(Figures, HaveNothingOfAConnectionThatNeverStood) {
  GetFigures figures = figures_of(1);  // of another origin
  figures.links.clear();
  dial::LinkFigures link;
  link.title = "hop 1 (gw:443)";
  link.over_quic = true;
  link.quic.started = link.started = Time{1s};
  link.quic.max_udp_payload = 1200;
  figures.links.push_back(link);
  const std::string table = figures_table(figures);
  EXPECT_THAT(table, testing::ContainsRegex("hop 1 \\(gw:443\\) +-( +-){8}\n"));
  const std::string json = figures_json(figures);
  for (const char* nothing : {"http_version", "address", "tls", "connect_ms", "max_udp_payload"})
    EXPECT_THAT(json, HasSubstr(fmt::format("\"{}\":null", nothing)));
}

TEST(Figures, TellWhatEachDatagramInsideCosts) {
  GetFigures figures = figures_of(5);
  dial::LinkFigures& link = figures.links.front();
  EXPECT_THAT(figures_json(figures), HasSubstr(R"("overhead":{"sent":null,"received":null})"));
  link.cost_sent = {.datagrams = 1, .quic = 30, .http = 2, .ip = 28};
  link.cost_received = {.datagrams = 3, .quic = 28.333333, .http = 2, .ip = 28};
  EXPECT_THAT(figures_json(figures),
              HasSubstr(R"("overhead":{"sent":{"datagrams":1,"quic":30,"http":2,"ip":28,"total":60},)"
                        R"("received":{"datagrams":3,"quic":28.33,"http":2,"ip":28,"total":58.33}})"));
  const std::string table = figures_table(figures);
  EXPECT_THAT(table, testing::ContainsRegex("65000 +58.7\n")) << "the mean of all four";
  EXPECT_THAT(table, HasSubstr("over: what each datagram inside costs"));
}

TEST(FiguresTable, IsNoneWhereNothingCame) {
  GetFigures figures;
  figures.transfers.push_back({.url = "https://gw/", .error = "hop 1 (gw:443): the name has no address"});
  EXPECT_EQ(figures_table(figures), "");
  EXPECT_THAT(figures_json(figures), HasSubstr("has no address"));
  figures.transfers.back().fetch.status = 404;
  EXPECT_THAT(figures_table(figures), HasSubstr("404"));
  figures.transfers.back() = {.url = "https://gw/"};  // all of it was there before
  EXPECT_THAT(figures_table(figures), HasSubstr("https://gw/"));
}

TEST(FiguresTable, NamesBothEndsOfALongUrl) {
  const std::string table = figures_table(figures_of(5));
  EXPECT_THAT(table, HasSubstr("https://a-host-"));
  EXPECT_THAT(table, HasSubstr("name.tar.gz\n"));
}

TEST(FiguresTable, LeavesWholeWhatFitsItsColumns) {
  const auto table = [](const std::string& url, const std::string& title) {
    GetFigures figures = figures_of(5);
    figures.transfers.front().url = url;
    figures.links.front().title = title;
    return figures_table(figures);
  };
  EXPECT_THAT(table("https://example.org/2345678901234", "hop 1 (45678:4433)"),
              AllOf(HasSubstr(" https://example.org/2345678901234\n"), HasSubstr("\nhop 1 (45678:4433) ")));
  EXPECT_THAT(table("https://example.org/23456789012345", "hop 1 (456789:4433)"),
              AllOf(HasSubstr(" https://example.../23456789012345\n"), HasSubstr("\nhop 1 (...89:4433) ")));
}

// The start of the program would be reckoned as if each GiB needed one.
TEST(FiguresTable, TellsCpuForEachGibibyteOnlyWhereEnoughCame) {
  EXPECT_THAT(figures_table(figures_of(15)), Not(HasSubstr("a GiB")));
  EXPECT_THAT(figures_table(figures_of(std::uint64_t{1} << 30)), HasSubstr("0.01 s CPU (0.01 s/GiB)"));
}

}  // namespace
}  // namespace sallyport::client
