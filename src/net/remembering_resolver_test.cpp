#include "net/remembering_resolver.h"

#include <optional>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

/// Answers when the test says.
struct SlowResolver final : Resolver {
  struct Asked final : Resolution {};
  std::unique_ptr<Resolution> resolve(const std::string& host, const IpAddress&, Answer answer) override {
    asked.push_back(host);
    answers.push_back(std::move(answer));
    return std::make_unique<Asked>();
  }
  std::vector<std::string> asked;
  std::vector<Answer> answers;
};

struct RememberingResolverTest : testing::Test {
  RememberingResolverTest() {
    auto made = std::make_unique<SlowResolver>();
    inner = made.get();
    resolver = make_remembering_resolver(timers, std::move(made));
  }

  std::unique_ptr<Resolution> ask(const std::string& host) {
    return resolver->resolve(
        host, {}, [this](Result<std::vector<IpAddress>> answer) { (answer ? found : failed) += 1; });
  }
  void turn() { timers.advance(timers.now()); }

  const std::vector<IpAddress> addresses{*IpAddress::parse("192.0.2.1"), *IpAddress::parse("2001:db8::1")};
  Timers timers{Time{1s}};
  SlowResolver* inner = nullptr;
  std::unique_ptr<Resolver> resolver;
  int found = 0, failed = 0;
};

TEST_F(RememberingResolverTest, AsksForAHostOnceForAllThatWantIt) {
  std::vector<std::unique_ptr<Resolution>> many;
  for (int i = 0; i < 500; ++i) many.push_back(ask("example.com"));
  const auto other = ask("example.net");
  EXPECT_EQ(inner->asked, (std::vector<std::string>{"example.com", "example.net"}));
  inner->answers[0](addresses);
  EXPECT_EQ(found, 0) << "never inside a call";
  turn();
  EXPECT_EQ(found, 500);
  const auto later = ask("example.com");
  EXPECT_EQ(found, 500);
  turn();
  EXPECT_EQ(found, 501);
  EXPECT_EQ(inner->asked.size(), 2u);
}

TEST_F(RememberingResolverTest, AFailureIsTheAnswerOfThoseThatWaitOnly) {
  const auto one = ask("example.com"), two = ask("example.com");
  inner->answers[0](fail(ErrorKind::resolve, "no"));
  turn();
  EXPECT_EQ(failed, 2);
  const auto again = ask("example.com");
  EXPECT_EQ(inner->asked.size(), 2u);
  inner->answers[1](addresses);
  turn();
  EXPECT_EQ(found, 1);
}

TEST_F(RememberingResolverTest, WhoGaveUpIsNotAnswered) {
  auto one = ask("example.com");
  const auto two = ask("example.com");
  one.reset();
  inner->answers[0](addresses);
  auto three = ask("example.com");
  three.reset();
  turn();
  EXPECT_EQ(found, 1);
}

}  // namespace
}  // namespace sallyport::net
