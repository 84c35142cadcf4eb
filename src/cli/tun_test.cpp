#include "cli/run_for_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using test::sallyport;
using testing::HasSubstr;

void expect_refused(std::vector<std::string> flags, const std::string& words) {
  flags.insert(flags.begin(), {"tun", "--via", "gw.invalid"});
  const auto outcome = sallyport(flags);
  EXPECT_EQ(outcome.status, 2) << words;
  EXPECT_THAT(outcome.err, HasSubstr(words));
  EXPECT_EQ(outcome.out, "");
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
