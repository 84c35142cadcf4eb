#include "net/nftables.h"

#include "net/network_namespace_for_test.h"

#include <cerrno>

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sallyport::net {
namespace {

using test::in_network_namespace;
using test::value_of;

constexpr const char* needs_namespace = "needs CAP_SYS_ADMIN for a network namespace";

/// What another process sees.
std::string tables() {
  return value_of(value_of(Nftables::open()).output_of("list tables"));
}

TEST(Nftables, ATableWithAnOwnerIsGoneWithIt) {
  const bool ran = in_network_namespace([] {
    EXPECT_EQ(tables(), "");
    {
      Nftables first = value_of(Nftables::open()), second = value_of(Nftables::open());
      value_of(first.run("table inet sallyport-a { flags owner; }"));
      value_of(second.run("table inet sallyport-b { flags owner; }"));
      EXPECT_EQ(tables(), "table inet sallyport-a\ntable inet sallyport-b\n");
      // As a firewall does when it loads its rules again.
      value_of(value_of(Nftables::open()).run("flush ruleset"));
      EXPECT_EQ(tables(), "table inet sallyport-a\ntable inet sallyport-b\n");
      const auto refused = second.run("delete table inet sallyport-a");
      ASSERT_FALSE(refused);
      EXPECT_EQ(refused.error().kind, ErrorKind::denied);
    }
    EXPECT_EQ(tables(), "");
  });
  if (!ran) GTEST_SKIP() << needs_namespace;
}

TEST(Nftables, CommandsAreDoneTogetherOrNotAtAll) {
  const bool ran = in_network_namespace([] {
    Nftables nftables = value_of(Nftables::open());
    const auto failed = nftables.run("add table inet a\ndelete table inet b\n");
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().message.find('\n'), std::string::npos) << failed.error().message;
    EXPECT_TRUE(failed.error().message.starts_with("nftables: ")) << failed.error().message;
    EXPECT_NE(failed.error().message.find("No such file or directory"), std::string::npos)
        << failed.error().message;
    EXPECT_EQ(tables(), "");
    const auto unread = nftables.run("nonsense");
    ASSERT_FALSE(unread);
    EXPECT_EQ(unread.error().message.rfind("nftables: syntax error", 0), 0U) << unread.error().message;
    // And it can be used after an error.
    value_of(nftables.run("add table inet a"));
    EXPECT_EQ(tables(), "table inet a\n");
  });
  if (!ran) GTEST_SKIP() << needs_namespace;
}

TEST(Nftables, WithoutTheRightToChangeAnything) {
  const bool ran = in_network_namespace([] {
    __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    ASSERT_EQ(::syscall(SYS_capget, &head, data), 0);
    data[0].effective &= ~(1U << CAP_NET_ADMIN);
    ASSERT_EQ(::syscall(SYS_capset, &head, data), 0);  // of this thread only
    const auto refused = value_of(Nftables::open()).run("add table inet a");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::denied) << refused.error().message;
    EXPECT_EQ(refused.error().code, EPERM);
  });
  if (!ran) GTEST_SKIP() << needs_namespace;
}

}  // namespace
}  // namespace sallyport::net
