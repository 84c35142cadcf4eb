#include "client/udp_addresses.h"

#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

Result<std::string> chosen(const std::vector<std::string_view>& texts) {
  std::vector<net::IpAddress> addresses;
  addresses.reserve(texts.size());
  for (const auto text : texts) addresses.push_back(net::IpAddress::parse(text).value());
  const auto all = udp_device_addresses(addresses);
  if (!all) return std::unexpected(all.error());
  std::string words;
  for (const auto& each : *all) words += each.to_string() + " ";
  return words;
}

TEST(UdpAddresses, OneOfEachFamily) {
  EXPECT_EQ(chosen({}).value(), "192.0.0.2 fd5e:1a53:b9c7::2 ");
  EXPECT_EQ(chosen({"10.1.2.3"}).value(), "10.1.2.3 fd5e:1a53:b9c7::2 ");
  EXPECT_EQ(chosen({"fd00::9", "10.1.2.3"}).value(), "10.1.2.3 fd00::9 ");
}

TEST(UdpAddresses, WhatNoDeviceCanHave) {
  for (const auto text : {"0.0.0.0", "127.0.0.1", "224.0.0.1", "169.254.0.1", "::", "::1", "ff02::1",
                          "fe80::1", "::ffff:10.0.0.1"}) {
    const auto refused = chosen({text});
    ASSERT_FALSE(refused) << text;
    EXPECT_EQ(refused.error().kind, ErrorKind::usage);
    EXPECT_NE(refused.error().message.find("no device can have it"), std::string::npos);
  }
  EXPECT_NE(chosen({"10.0.0.1", "10.0.0.2"}).error().message.find("there is 10.0.0.1 already"),
            std::string::npos);
}

}  // namespace
}  // namespace sallyport::client
