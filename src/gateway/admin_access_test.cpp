#include "gateway/admin_access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::gateway {
namespace {

using testing::HasSubstr;

net::SocketAddress at(std::string_view text) {
  return net::SocketAddress::parse(text).value();
}

void expect_refused(const Settings& settings, const std::string& words) {
  const auto checked = check_admin(settings);
  ASSERT_FALSE(checked) << words;
  EXPECT_EQ(checked.error().kind, ErrorKind::usage);
  EXPECT_THAT(checked.error().message, HasSubstr(words));
}

TEST(AdminAccess, PagesElsewhereNeedTokens) {
  Settings settings;
  settings.admin = at(":9090");
  expect_refused(settings, "--admin-token-file FILE");
  settings.admin_token_file = "tokens";
  EXPECT_TRUE(check_admin(settings));
}

TEST(AdminAccess, PagesHaveAPortOfTheirOwn) {
  Settings settings;
  settings.listen = {at("127.0.0.1:443"), at("127.0.0.1:0"), at("[::]:8443")};
  for (const char* apart : {"127.0.0.1:80", "127.0.0.1:0", "[::1]:443"}) {
    settings.admin = at(apart);
    EXPECT_TRUE(check_admin(settings)) << apart;
  }
  settings.admin = at("127.0.0.1:443");
  expect_refused(settings, "--admin 127.0.0.1:443: a --listen names that");
  settings.admin = at("127.0.0.1:8443");
  expect_refused(settings, "--admin 127.0.0.1:8443: --listen [::]:8443 has that port on all addresses");
  settings.tcp = false;
  EXPECT_TRUE(check_admin(settings));
}

}  // namespace
}  // namespace sallyport::gateway
