#include "admin/service.h"

#include "base/folder_for_test.h"
#include "net/event_loop.h"

#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::admin {
namespace {

using testing::HasSubstr;

net::SocketAddress at(std::string_view text) {
  return net::SocketAddress::parse(text).value();
}

void expect_refused(const ServiceOptions& options, const std::string& words) {
  const auto checked = check_access(options);
  ASSERT_FALSE(checked) << words;
  EXPECT_EQ(checked.error().kind, ErrorKind::usage);
  EXPECT_THAT(checked.error().message, HasSubstr(words));
  EXPECT_FALSE(Service::open(options));
}

TEST(AdminService, TokensWithoutPagesAreAMistake) {
  expect_refused({.token_file = "tokens"}, "--admin, which is not given");
  EXPECT_TRUE(check_access({.socket = "admin.sock", .token_file = "tokens"}));
  EXPECT_TRUE(check_access({}));
}

TEST(AdminService, PagesElsewhereNeedTokens) {
  for (const char* address : {"127.0.0.1:9090", "[::1]:9090"})
    EXPECT_TRUE(check_access({.address = at(address)})) << address;
  for (const char* address : {":9090", "10.0.0.1:9090"}) {
    expect_refused({.address = at(address)}, "--admin-token-file FILE");
    EXPECT_TRUE(check_access({.address = at(address), .token_file = "tokens"})) << address;
  }
}

struct SourceForTest final : Pages::Source {
  bool is_ready() const override { return true; }
  void make_metrics(std::function<void(std::string)> done) override { done("figures\n"); }
};

TEST(AdminService, ListensWhereItIsToldAndSaysWhatIsInTheWay) {
  const FolderForTest folder;
  net::EventLoop loop;
  const auto inbound = net::make_kernel_inbound(loop);
  SourceForTest source;
  const auto none = Service::open({});
  ASSERT_TRUE(none);
  EXPECT_TRUE((*none)->listen(*inbound, loop.timers(), source));
  EXPECT_FALSE((*none)->address());
  const auto first = Service::open({.address = at("127.0.0.1:0")});
  ASSERT_TRUE(first);
  ASSERT_TRUE((*first)->listen(*inbound, loop.timers(), source));
  ASSERT_TRUE((*first)->address());
  EXPECT_NE((*first)->address()->port(), 0);
  const auto second = Service::open({.address = (*first)->address()});
  const auto refused = (*second)->listen(*inbound, loop.timers(), source);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("is in use for TCP; stop the program that listens there, or "
                                                 "choose another --admin"));
  const auto nowhere = Service::open({.address = at("127.0.0.1:0"), .token_file = folder / "missing"});
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error().message, HasSubstr("--admin-token-file: cannot read "));
}

TEST(AdminService, CountsWhatItRefusesOnlyWhereThereAreTokens) {
  const FolderForTest folder;
  std::ofstream(folder / "t") << "alice token-of-alice-01\n";
  net::EventLoop loop;
  const auto inbound = net::make_kernel_inbound(loop);
  SourceForTest source;
  const auto with = Service::open({.socket = folder / "s", .token_file = folder / "t"});
  ASSERT_TRUE(with) << with.error().message;
  ASSERT_TRUE((*with)->listen(*inbound, loop.timers(), source));
  MetricSet figures, none;
  (*with)->collect(figures);
  EXPECT_THAT(figures.to_text(), HasSubstr("sallyport_admin_refused_total{reason=\"no_token\"} 0"));
  (*Service::open({}))->collect(none);
  EXPECT_EQ(none.to_text(), "");
}

}  // namespace
}  // namespace sallyport::admin
