#include "dial/chain.h"

#include "base/folder_for_test.h"
#include "dial/world_for_test.h"

#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::dial {
namespace {

using testing::HasSubstr;

/// Without hops, to an origin over HTTP/2.
class ChainTest : public testing::Test {
 protected:
  ChainTest() {
    world.over_tls = world.http2 = true;
    std::ofstream(folder / "ca.pem") << world.pair.certificate_pem;
    context.trust = *tls::Trust::make({.ca_files = {folder / "ca.pem"}});
    chain.set_broken_handler([this](const Error& why) { broken.push_back(why.message); });
  }

  http::Connection* open() {
    http::Connection* connection = nullptr;
    chain.open(url, [&](Result<http::Connection*> opened) {
      ASSERT_TRUE(opened) << opened.error().message;
      connection = *opened;
    });
    world.clock.pass(1s);
    return connection;
  }

  const FolderForTest folder;
  test::World world{"example.com"};
  Context context = world.context();
  const Url url = *parse_url("https://example.com/");
  Chain chain{context, {.http = HttpChoice::h2}};
  std::vector<std::string> broken;
};

TEST_F(ChainTest, TellsOfAConnectionThatItsServerClosedInOrderAndMakesAnother) {
  ASSERT_NE(open(), nullptr);
  ASSERT_NE(open(), nullptr);
  ASSERT_EQ(world.servers.size(), 1u) << "one is for all";
  world.servers.back()->shutdown();
  world.clock.pass(1s);
  ASSERT_EQ(broken.size(), 1u);
  EXPECT_THAT(broken.front(), HasSubstr("origin example.com:443: "));
  ASSERT_NE(open(), nullptr);
  EXPECT_EQ(world.servers.size(), 2u);
  EXPECT_EQ(chain.figures().size(), 1u);
}

TEST_F(ChainTest, TriesAnOriginThatCouldNotBeReachedAgainOnlyAfterForgive) {
  std::vector<bool> reached;
  const auto try_once = [&] {
    chain.open(url, [&](const Result<http::Connection*>& opened) { reached.push_back(opened.has_value()); });
    world.clock.pass(1s);
  };
  world.refuses = true;
  try_once();
  world.refuses = false;
  try_once();
  chain.forgive(url);
  try_once();
  EXPECT_EQ(reached, (std::vector<bool>{false, false, true}));
}

TEST_F(ChainTest, ShutsDownWithoutCallingItBroken) {
  ASSERT_NE(open(), nullptr);
  int closed = 0;
  chain.shutdown(1s, [&] { ++closed; });
  world.clock.pass(5s);
  EXPECT_EQ(closed, 1);
  EXPECT_TRUE(broken.empty());
}

}  // namespace
}  // namespace sallyport::dial
