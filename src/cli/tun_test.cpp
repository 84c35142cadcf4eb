#include "cli/run_for_test.h"
#include "net/network_namespace_for_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using test::sallyport;
using testing::HasSubstr;
using testing::Not;

void expect_refused(std::vector<std::string> flags, const std::string& words) {
  flags.insert(flags.begin(), {"tun", "--via", "gw.invalid"});
  const auto outcome = sallyport(flags);
  EXPECT_EQ(outcome.status, 2) << words;
  EXPECT_THAT(outcome.err, HasSubstr(words));
  EXPECT_EQ(outcome.out, "");
}

/// In a network namespace, where it may make a device.
TEST(TunCommand, CallsTheLastHopAHop) {
  test::Outcome outcome{};
  const bool ran = net::test::in_network_namespace_with_tun(
      [&] { outcome = sallyport({"tun", "--via", "127.0.0.1:4433", "--mode", "ip"}); });
  if (!ran) GTEST_SKIP() << net::test::needs_tun;
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.err, HasSubstr("hop 1 (127.0.0.1:4433): "));
  EXPECT_THAT(outcome.err, Not(HasSubstr("origin")));
}

TEST(TunCommand, SaysWhatIsWrongWithItsFlags) {
  expect_refused({"--devices", "0"}, "--devices");
  expect_refused({"--devices", "257"}, "--devices");
  expect_refused({"--json-interval", "5"}, "--json");
  expect_refused({"--admin", "unix:"}, "--admin unix: needs the path of a Unix-domain socket");
  expect_refused({"--admin", "here"}, "--admin: 'here' is not an address to listen on");
  expect_refused({"--admin", "192.0.2.1:9090"}, "--admin-token-file FILE");
  expect_refused({"--admin-token-file", "tokens"}, "--admin, which is not given");
}

}  // namespace
}  // namespace sallyport::cli
