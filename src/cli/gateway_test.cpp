#include "base/folder_for_test.h"
#include "cli/run_for_test.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
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

TEST(GatewayCommand, SaysWhichAddressIsWrongAndHow) {
  const auto refused = [](std::vector<std::string> flags) {
    flags.insert(flags.begin(), {"gateway", "--self-signed", "localhost", "--files", "/"});
    return sallyport(flags).err;
  };
  EXPECT_EQ(refused({"--listen", ":99999"}),
            "sallyport: --listen: ':99999' has no port to listen on: 99999 is not from 1 to 65535, or 0 for "
            "one that is free\n");
  EXPECT_EQ(refused({"--listen", ":0", "--admin", "admin"}),
            "sallyport: --admin: 'admin' is not an address to listen on; write it as HOST:PORT, [IPV6]:PORT, "
            ":PORT or unix:PATH\n");
  EXPECT_THAT(refused({"--listen", ":0", "--admin", "nosuch.invalid:80"}),
              AllOf(StartsWith("sallyport: --admin: cannot listen on nosuch.invalid:80: "),
                    Not(HasSubstr("unix:PATH"))));
}

TEST(GatewayCommand, SaysThatNoListenerIsCalledThat) {
  const FolderForTest folder;
  const auto refused = [](const std::string& certificate, const std::string& key) {
    return sallyport({"gateway", "--files", "/", "--listen", "127.0.0.1:8443", "--listen", ":8461", "--cert",
                      certificate, "--key", key, "--log-level", "off"});
  };
  const Outcome cert = refused(":8462=b.pem", "b.key");
  EXPECT_EQ(cert.status, 2);
  EXPECT_EQ(
      cert.err,
      "sallyport: --cert :8462=b.pem: there is no --listen :8462; before the = stands one as it is given "
      "there: 127.0.0.1:8443, :8461\n");
  EXPECT_THAT(refused("b.pem", "[::]:8461=b.key").err,
              StartsWith("sallyport: --key [::]:8461=b.key: there is no --listen [::]:8461;"));
  // A file may be called that.
  const std::string named = folder / "a:1=b.pem";
  std::ofstream(named) << "no certificate";
  EXPECT_THAT(refused(named, "b.key").err, StartsWith("sallyport: --cert and --key: "));
  EXPECT_THAT(refused(folder / "a=b.pem", "b.key").err,
              HasSubstr("cannot read " + folder.path() + "/a=b.pem"));
}

}  // namespace
}  // namespace sallyport::cli
