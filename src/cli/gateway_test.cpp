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

TEST(GatewayCommand, TellsWhatItsFlagsMean) {
  const Outcome outcome = sallyport({"gateway",
                                     "--check",
                                     "--self-signed",
                                     "localhost",
                                     "--files",
                                     "/",
                                     "--listen",
                                     "127.0.0.1:8443",

                                     "--alt-svc-port",
                                     "443",
                                     "--etag",
                                     "size-mtime",
                                     "--masque",
                                     "udp,tcp",
                                     "--allow",
                                     "10.0.0.0/8",
                                     "--allow",
                                     "fd00::/8",
                                     "--allow-port",
                                     "25",
                                     "--max-tunnels",
                                     "7",
                                     "--udp-tunnel-idle",
                                     "31",
                                     "--tcp-tunnel-idle",
                                     "32",
                                     "--cc",
                                     "bbr",
                                     "--retry",
                                     "always",
                                     "--idle-timeout",
                                     "33",
                                     "--log-level",
                                     "off"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  for (const char* line :
       {"listener 127.0.0.1:8443\n", "address 127.0.0.1:8443 (UDP and TCP)\n", "Alt-Svc port 443\n",
        "files /\n", "ETag of larger files from size and mtime\n", "proxy udp,tcp\n", "allow 10.0.0.0/8\n",
        "allow fd00::/8\n", "allow port 25\n", "tunnels of one client 7\n",
        "idle timeout of UDP tunnels 31 s, of TCP tunnels 32 s\n",
        "congestion control bbr, Retry always, idle timeout 33 s\n"})
    EXPECT_THAT(outcome.out, HasSubstr(line));
  const Outcome plain = sallyport(
      {"gateway", "--check", "--self-signed", "localhost", "--files", "/", "--no-tcp", "--log-level", "off"});
  EXPECT_EQ(plain.status, 0) << plain.err;
  EXPECT_THAT(plain.out, AllOf(HasSubstr("(UDP)"), HasSubstr("from size, mtime and ctime"),
                               Not(HasSubstr("proxy")), Not(HasSubstr("Alt-Svc"))));
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
