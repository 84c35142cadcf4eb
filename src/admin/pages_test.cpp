#include "admin/pages.h"

#include "base/unique_fd.h"
#include "net/event_loop.h"
#include "net/inbound.h"
#include "net/run_until_for_test.h"

#include <functional>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

namespace sallyport::admin {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct SourceForTest final : Pages::Source {
  bool is_ready() const override { return true; }
  void make_metrics(std::function<void(std::string)> done) override { done("figures\n"); }
};

class PagesTest : public testing::Test {
 protected:
  /// All that comes back for GET /metrics.
  std::string ask_for_metrics(const std::string& host) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const net::SocketAddress address = pages_->local();
    EXPECT_EQ(::connect(fd.get(), address.data(), address.size()), 0);
    const std::string request = "GET /metrics HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(::send(fd.get(), request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
    std::string answer;
    const auto has_ended = [&] {
      char buffer[4096];
      ssize_t count = 0;
      while ((count = ::recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
        answer.append(buffer, static_cast<std::size_t>(count));
      return count == 0;
    };
    net::run_until(loop_, has_ended, 10s);
    return answer;
  }

 private:
  net::EventLoop loop_;
  std::unique_ptr<net::Inbound> inbound_ = net::make_kernel_inbound(loop_);
  SourceForTest source_;
  std::unique_ptr<Pages> pages_ =
      Pages::listen(*inbound_, loop_.timers(), net::SocketAddress::parse("127.0.0.1:0").value(), source_,
                    nullptr)
          .value();
};

TEST_F(PagesTest, MetricsAreForWhoMayReadThem) {
  EXPECT_THAT(ask_for_metrics("localhost"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                    HasSubstr("\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                    EndsWith("\r\n\r\nfigures\n")));
  EXPECT_THAT(ask_for_metrics("page.example"), AllOf(StartsWith("HTTP/1.1 421 "), Not(HasSubstr("figures"))));
}

}  // namespace
}  // namespace sallyport::admin
