#include "net/resolver.h"

#include "base/unique_fd.h"
#include "net/localhost.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <optional>
#include <string>

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

constexpr Duration patience = 60s;  // guards against hanging only
constexpr Duration ages = 24h;      // nothing that waits for it comes about in a test

using Addresses = Result<std::vector<IpAddress>>;

IpAddress ip(const char* text) {
  return IpAddress::parse(text).value();
}

void run_for(EventLoop& loop, Duration time) {
  Timer end(loop.timers(), [&](Time) { loop.stop(); });
  end.arm(std::chrono::steady_clock::now() + time);
  loop.run();
}

/// The answer, which must not come inside the call.
Addresses ask(const std::string& host) {
  EventLoop loop;
  const auto resolver = make_system_resolver(loop);
  std::optional<Addresses> answer;
  const auto resolution = resolver->resolve(host, {}, [&](Addresses result) {
    answer = std::move(result);
    loop.stop();
  });
  EXPECT_FALSE(answer);
  run_for(loop, patience);
  if (!answer) return fail(ErrorKind::timeout, "no answer");
  return *answer;
}

TEST(Resolver, AnswersAddressesAndNames) {
  EXPECT_EQ(ask("192.0.2.1").value(), std::vector{ip("192.0.2.1")});
  EXPECT_EQ(ask("2001:db8::1").value(), std::vector{ip("2001:db8::1")});
  const auto local = ask("localhost");
  ASSERT_TRUE(local) << local.error().message;
  EXPECT_TRUE(std::ranges::all_of(*local, [](const IpAddress& address) { return address.is_loopback(); }));
  EXPECT_FALSE(local->empty());
}

TEST(Localhost, IsKnownWithoutAnybody) {  // RFC 6761 §6.3
  for (const char* name : {"localhost", "LocalHost.", "a.b.localhost"})
    EXPECT_EQ(localhost_addresses(name), (std::vector{ip("::1"), ip("127.0.0.1")})) << name;
  for (const char* name : {"", "localhos", "notlocalhost", "localhost.example"})
    EXPECT_TRUE(localhost_addresses(name).empty()) << name;
}

TEST(Resolver, BadNamesAreErrorsThatNameThem) {
  using namespace std::string_literals;
  for (const std::string& host : {""s, std::string(300, 'a'), "127.0.0.1\0.example"s}) {
    const auto answer = ask(host);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::resolve);
  }
  const auto answer = ask("no such name");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::resolve);
  EXPECT_NE(answer.error().message.find("no such name"), std::string::npos);
}

TEST(Resolver, ACancelledQuestionIsNeverAnswered) {
  EventLoop loop;
  const auto resolver = make_system_resolver(loop);
  bool answered = false;
  const auto note = [&](Addresses) { answered = true; };
  for (const char* host : {"192.0.2.1", "localhost"}) resolver->resolve(host, {}, note).reset();
  const auto later = resolver->resolve("192.0.2.2", {}, [&](Addresses) { loop.stop(); });
  run_for(loop, patience);
  EXPECT_FALSE(answered);
}

TEST(Resolver, LoopAndResolverMayGoWhileANameIsLookedUp) {
  std::unique_ptr<Resolution> resolution;
  for (int i = 0; i < 50; ++i) {
    EventLoop loop;
    const auto resolver = make_system_resolver(loop);
    resolution = resolver->resolve("localhost", {}, [](Addresses) { ADD_FAILURE() << "the loop never ran"; });
  }
}

TEST(Resolver, TheCallbackMayDestroyItsResolution) {
  EventLoop loop;
  const auto resolver = make_system_resolver(loop);
  std::unique_ptr<Resolution> resolution;
  resolution = resolver->resolve("127.0.0.1", {}, [&](Addresses) {
    resolution.reset();
    loop.stop();
  });
  run_for(loop, patience);
  EXPECT_EQ(resolution, nullptr);
}

TEST(HappyEyeballs, AlternatesFamiliesFromTheFirst) {
  EXPECT_TRUE(interleave_families({}).empty());
  EXPECT_EQ(interleave_families({ip("::1"), ip("::2"), ip("::3"), ip("10.0.0.1")}),
            (std::vector{ip("::1"), ip("10.0.0.1"), ip("::2"), ip("::3")}));
  EXPECT_EQ(interleave_families({ip("10.0.0.1"), ip("10.0.0.2"), ip("::1"), ip("::2"), ip("::3")}),
            (std::vector{ip("10.0.0.1"), ip("::1"), ip("10.0.0.2"), ip("::2"), ip("::3")}));
}

class RaceTest : public testing::Test {
 protected:
  RaceTest() {
    listener_ =
        std::move(*TcpListener::listen(loop_, SocketAddress::parse("127.0.0.2:0").value(), {},
                                       [this](auto stream) { accepted_.push_back(std::move(stream)); }));
    port_ = listener_->local().port();
  }

  Result<std::unique_ptr<ByteStream>> race(std::vector<IpAddress> addresses, Duration timeout,
                                           Duration delay) {
    std::optional<Result<std::unique_ptr<ByteStream>>> outcome;
    const Time start = std::chrono::steady_clock::now();
    loop_.timers().set_now(start);
    const auto racing = happy_eyeballs_connect(
        loop_, std::move(addresses), port_, timeout, {},
        [&](auto result) {
          EXPECT_FALSE(outcome);
          outcome = std::move(result);
          loop_.stop();
        },
        [this](const Error& why) { failed_.push_back(why.message); }, delay);
    run_for(loop_, patience);
    took_ = std::chrono::steady_clock::now() - start;
    if (!outcome) return fail(ErrorKind::closed, "no answer");
    return std::move(*outcome);
  }

  /// A socket that listens at `address` and lets connects wait.
  UniqueFd silent_at(const char* address) {
    UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress at(ip(address), port_);
    EXPECT_EQ(::bind(listener.get(), at.data(), at.size()), 0);
    EXPECT_EQ(::listen(listener.get(), 0), 0);
    for (int i = 0; i < 3; ++i) {
      fillers_.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      EXPECT_TRUE(::connect(fillers_.back().get(), at.data(), at.size()) == 0 || errno == EINPROGRESS);
    }
    return listener;
  }

  EventLoop loop_;
  std::unique_ptr<TcpListener> listener_;
  std::vector<std::unique_ptr<ByteStream>> accepted_;
  std::vector<UniqueFd> fillers_;
  std::vector<std::string> failed_;  // of the addresses
  std::uint16_t port_ = 0;
  Duration took_{};
};

TEST_F(RaceTest, ARefusalStartsTheNextAtOnce) {
  const auto stream = race({ip("127.0.0.3"), ip("::1"), ip("127.0.0.2")}, ages, ages);
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_EQ((*stream)->net_path().remote.ip(), ip("127.0.0.2"));
  ASSERT_EQ(failed_.size(), 2u);
  EXPECT_NE(failed_[0].find("127.0.0.3"), std::string::npos) << failed_[0];
  EXPECT_NE(failed_[1].find("[::1]"), std::string::npos) << failed_[1];
}

TEST_F(RaceTest, SilenceStartsTheNextAfterAQuarterOfASecond) {
  const UniqueFd silent = silent_at("127.0.0.4");
  const auto stream = race({ip("127.0.0.4"), ip("127.0.0.2")}, ages, attempt_delay);
  ASSERT_TRUE(stream) << stream.error().message;
  EXPECT_EQ((*stream)->net_path().remote.ip(), ip("127.0.0.2"));
  EXPECT_GE(took_, 250ms);
}

TEST_F(RaceTest, AllFailuresAreOneAnswerWithTheLastReason) {
  const auto stream = race({ip("127.0.0.3"), ip("127.0.0.5")}, ages, ages);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind, ErrorKind::refused);
  EXPECT_NE(stream.error().message.find("127.0.0.5"), std::string::npos);
}

TEST_F(RaceTest, TheTimeoutIsForAllTogether) {
  const UniqueFd first = silent_at("127.0.0.4");
  const UniqueFd second = silent_at("127.0.0.6");
  const auto stream = race({ip("127.0.0.4"), ip("127.0.0.6")}, 50ms, ages);
  ASSERT_FALSE(stream);
  EXPECT_EQ(stream.error().kind, ErrorKind::timeout);
  EXPECT_GE(took_, 50ms);
  EXPECT_NE(stream.error().message.find("127.0.0.4"), std::string::npos) << "no time was left for another";
}

TEST_F(RaceTest, AnAttemptThatStartsLaterDoesNotEndLater) {
  const UniqueFd first = silent_at("127.0.0.4");
  const UniqueFd second = silent_at("127.0.0.6");
  // A busy machine may be late each time but one.
  bool together = false;
  for (int attempts = 0; attempts < 100 && !together; ++attempts) {
    together = true;
    Timer late(loop_.timers(), [&](Time) { together = false; });
    late.arm(std::chrono::steady_clock::now() + 30ms + 10ms);
    const auto stream = race({ip("127.0.0.4"), ip("127.0.0.6")}, 30ms, 20ms);
    ASSERT_FALSE(stream);
    EXPECT_EQ(stream.error().kind, ErrorKind::timeout);
  }
  EXPECT_TRUE(together);
}

}  // namespace
}  // namespace sallyport::net
