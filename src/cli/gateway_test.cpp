#include "base/folder_for_test.h"
#include "cli/run_for_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

using test::Outcome;
using test::sallyport;

TEST(GatewayCommand, DoesNotTakeAFolderForAName) {
  const FolderForTest site;
  const Outcome refused = sallyport({"gateway", "--self-signed", "localhost", site.path()});
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, StartsWith("sallyport: --self-signed takes all words behind it for names"));
  EXPECT_THAT(refused.err, HasSubstr("write --files " + site.path()));
  EXPECT_THAT(sallyport({"gateway", "--self-signed", "localhost", "a.test"}).err,
              StartsWith("sallyport: there is nothing to do"));
}

TEST(GatewayCommand, DoesNotBlameOthersForAPortThatItNamesTwice) {
  const auto refused = [](std::vector<std::string> flags) {
    flags.insert(flags.begin(),
                 {"gateway", "--self-signed", "localhost", "--files", "/", "--log-level", "off"});
    const Outcome outcome = sallyport(flags);
    EXPECT_EQ(outcome.status, 2);
    return outcome.err;
  };
  EXPECT_THAT(refused({"--listen", "127.0.0.1:4433", "--listen", "127.0.0.1:4433"}),
              StartsWith("sallyport: --listen 127.0.0.1:4433: a --listen names that address and port, too"));
  EXPECT_THAT(refused({"--listen", ":4433", "--admin", "127.0.0.1:4433"}),
              StartsWith("sallyport: --admin 127.0.0.1:4433: --listen [::]:4433 has that port"));
  EXPECT_THAT(refused({"--listen", ":4433", "--listen", "[::1]:4433", "--admin", "unix:/tmp/x"}),
              StartsWith("sallyport: --listen [::1]:4433: --listen [::]:4433 has that port"));
}

}  // namespace
}  // namespace sallyport::cli
