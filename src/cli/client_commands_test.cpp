// get and bench where nobody answers.
#include "base/unique_fd.h"
#include "cli/run_for_test.h"
#include "net/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace sallyport::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// A port of this machine: TCP connections to it are refused, UDP datagrams are not answered.
class UnansweredPort {
 public:
  explicit UnansweredPort(int type) : socket_(::socket(AF_INET, type | SOCK_CLOEXEC, 0)) {
    EXPECT_EQ(::bind(socket_.get(), address_.data(), address_.size()), 0);
    socklen_t length = address_.size();
    EXPECT_EQ(::getsockname(socket_.get(), address_.data(), &length), 0);
  }
  std::string url() const { return "https://" + address_.to_string(); }

 private:
  UniqueFd socket_;
  net::SocketAddress address_ = net::SocketAddress::parse("127.0.0.1:0").value();
};

TEST(GetCommand, SaysWhyItFailedAndWhatWasNotStarted) {
  const UnansweredPort hop(SOCK_STREAM);
  const auto outcome = test::sallyport(
      {"get", "--no-cache", "--via", hop.url(), "--via-http", "h2", "https://a.test/", "https://b.test/"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("sallyport: hop 1 (127.0.0.1:"),
                                 HasSubstr("sallyport: 1 more download was not started\n")));
}

TEST(BenchCommand, EndsWhenItsSecondsAreOver) {
  const UnansweredPort origin(SOCK_DGRAM);
  // Before the handshake times out, which is an error.
  const auto outcome =
      test::sallyport({"bench", "-t", "0.1", "--http", "h3", "--timeout", "9", origin.url()});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out, HasSubstr("no errors\n"));
}

}  // namespace
}  // namespace sallyport::cli
