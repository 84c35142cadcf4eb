#include "masque/icmp_answers.h"

#include "net/packets_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

constexpr Time start{1000s};

struct Answered {
  net::PacketBytes bytes = net::MadePacket{.payload = net::some_payload(100)}.make();
  net::IpPacket parsed = net::parse_ip(bytes).value();
  IcmpAnswers answers;
  IcmpLimit limit;

  MutableBytes ask(Time now, net::IcmpError error = net::IcmpError::no_route) {
    return answers.answer({error}, bytes, parsed, limit, now);
  }
};

TEST(IcmpAnswers, ComeFromTheOwnAddressOrElseFromTheDestination) {
  Answered it;
  EXPECT_EQ(net::parse_ip(it.ask(start)).value().source, it.parsed.destination);
  it.answers.set_own(net::IpAddress::parse("10.0.0.1"), {});
  const auto answer = net::parse_ip(it.ask(start)).value();
  EXPECT_EQ(answer.source, net::IpAddress::parse("10.0.0.1"));
  EXPECT_EQ(answer.destination, it.parsed.source);
}

TEST(IcmpAnswers, AreLimited) {
  Answered it;
  for (std::uint32_t i = 0; i < IcmpLimit::burst; ++i) EXPECT_FALSE(it.ask(start).empty()) << i;
  EXPECT_TRUE(it.ask(start).empty());
  EXPECT_EQ(it.answers.suppressed(), 1u);
  // One a millisecond from here on.
  EXPECT_TRUE(it.ask(start + 999us).empty());
  EXPECT_FALSE(it.ask(start + 1ms).empty());
  EXPECT_TRUE(it.ask(start + 1ms).empty());
  EXPECT_FALSE(it.ask(start + 3ms).empty());
  EXPECT_FALSE(it.ask(start + 3ms).empty());
  EXPECT_TRUE(it.ask(start + 3ms).empty());
  // And no more than a burst after any time.
  for (std::uint32_t i = 0; i < IcmpLimit::burst; ++i) EXPECT_FALSE(it.ask(start + 1h).empty()) << i;
  EXPECT_TRUE(it.ask(start + 1h).empty());
  // Packet Too Big is sent in any case, and another sender has a limit of its own.
  EXPECT_FALSE(it.ask(start + 1h, net::IcmpError::packet_too_big).empty());
  IcmpLimit others;
  EXPECT_FALSE(
      it.answers.answer({net::IcmpError::no_route}, it.bytes, it.parsed, others, start + 1h).empty());
  EXPECT_EQ(it.answers.sent(), 2 + 2 * IcmpLimit::burst + 3);
}

TEST(IcmpAnswers, NoneIsSentForAnErrorAndNoneIsTakenForIt) {
  Answered it;
  const MutableBytes error = it.ask(start);
  net::PacketBytes copy(error.begin(), error.end());
  const auto parsed = net::parse_ip(copy).value();
  EXPECT_TRUE(it.answers.answer({net::IcmpError::no_route}, copy, parsed, it.limit, start).empty());
  EXPECT_EQ(it.answers.sent(), 1u);
  EXPECT_EQ(it.answers.suppressed(), 0u);
}

}  // namespace
}  // namespace sallyport::masque
