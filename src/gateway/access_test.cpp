#include "gateway/access.h"

#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

using testing::HasSubstr;

net::SocketAddress at(std::string_view text) {
  return net::SocketAddress::parse(text).value();
}

Settings proxy_on(std::vector<const char*> addresses) {
  Settings settings;
  settings.masque_udp = true;
  for (const char* address : addresses) settings.listen.push_back(at(address));
  return settings;
}

void expect_refused(const Settings& settings, const std::string& words) {
  const auto checked = check_access(settings);
  ASSERT_FALSE(checked) << words;
  EXPECT_EQ(checked.error().kind, ErrorKind::usage);
  EXPECT_THAT(checked.error().message, HasSubstr(words));
}

TEST(Access, AProxyOnLoopbackNeedsNothing) {
  EXPECT_TRUE(
      check_access(proxy_on({"127.0.0.1:443", "[::1]:443", "127.9.9.9:1", "[::ffff:127.0.0.1]:443"})));
}

TEST(Access, AProxyElsewhereHasToSayForWhom) {
  for (const char* address : {"0.0.0.0:443", ":443", "192.168.1.1:443", "8.8.8.8:443", "[fe80::1]:443"}) {
    Settings settings = proxy_on({"127.0.0.1:443", address});
    expect_refused(settings, "--token-file FILE");
    settings.open_proxy = true;
    EXPECT_TRUE(check_access(settings)) << address;
    settings.open_proxy = false;
    settings.token_file = "tokens";
    EXPECT_TRUE(check_access(settings)) << address;
    settings.masque_tcp = std::exchange(settings.masque_udp, false);
    settings.token_file.clear();
    expect_refused(settings, address == std::string(":443") ? "[::]:443" : address);
  }
  Settings files;
  files.listen = {at(":443")};
  files.files = "/";
  EXPECT_TRUE(check_access(files)) << "no proxy";
}

TEST(Access, ContradictionsAndFlagsWithoutAPurposeAreRefused) {
  Settings both = proxy_on({"127.0.0.1:1"});
  both.open_proxy = true;
  both.token_file = "tokens";
  expect_refused(both, "contradict");
  Settings files;
  files.files = "/";
  files.token_file = "tokens";
  expect_refused(files, "--masque, which is not given");
  files.token_file.clear();
  files.open_proxy = true;
  expect_refused(files, "--masque, which is not given");
  files.open_proxy = false;
  files.admin_token_file = "tokens";
  expect_refused(files, "--admin, which is not given");
  files.admin_socket = "admin.sock";
  EXPECT_TRUE(check_access(files));
}

TEST(Access, AdminPagesElsewhereNeedTokens) {
  Settings settings;
  for (const char* address : {"127.0.0.1:9090", "[::1]:9090"}) {
    settings.admin = at(address);
    EXPECT_TRUE(check_access(settings)) << address;
  }
  for (const char* address : {":9090", "10.0.0.1:9090"}) {
    settings.admin = at(address);
    settings.admin_token_file.clear();
    expect_refused(settings, "--admin-token-file FILE");
    settings.admin_token_file = "tokens";
    EXPECT_TRUE(check_access(settings)) << address;
  }
}

}  // namespace
}  // namespace sallyport::gateway
