#include "tls/validity.h"

#include "tls/pairs_for_test.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_seconds;

constexpr sys_seconds start{seconds(1'600'000'000)};  // 2020-09-13 12:26:40 UTC

Validity valid_for(days lifetime) {
  return {.not_before = start, .not_after = start + lifetime};
}

/// What is said of one certificate of that lifetime when so much of it is left.
std::string said(days lifetime, seconds left) {
  const Validity one = valid_for(lifetime);
  return concern_about({&one, 1}, "in c.pem", one.not_after - left).value_or("");
}

/// From 2020 to 99991231235959Z: "no well-defined expiration date" (RFC 5280 §4.1.2.5).
constexpr std::string_view endless = R"(-----BEGIN CERTIFICATE-----
MIIBHTCBxQIUOhsE6psjqHsL526KfVDGBUHUQ0UwCgYIKoZIzj0EAwIwETEPMA0G
A1UEAwwGYS50ZXN0MCAXDTIwMDEwMTAwMDAwMFoYDzk5OTkxMjMxMjM1OTU5WjAR
MQ8wDQYDVQQDDAZhLnRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATZmo/q
rEgYJiUNN8wZgsq9j+ExjyHR5ErZdZOoGi37cpD1CpDpWspIH2xC6wPRb70xBYZW
jzpih5L8HTZtXP/tMAoGCCqGSM49BAMCA0cAMEQCICVhyoTLsTskGQ6uYLSXDEV2
T7FOLjlFDvG9WwpYfVDCAiAnk4lkPkjF5AOILA2eCnespRNHkpnwZBaQI2wzqMHH
6A==
-----END CERTIFICATE-----
)";

TEST(Validity, IsReadOfEveryCertificate) {
  const KeyPair pair = *make_self_signed({"a.test"});
  const std::string chain = dated(pair, 1'600'000'000, 1'900'000'000).certificate_pem +
                            dated(pair, 1'500'000'000, 1'700'000'000).certificate_pem + std::string(endless);
  const auto found = validity_of(chain);
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ((*found)[0].not_before, start);
  EXPECT_EQ((*found)[0].not_after.time_since_epoch(), seconds(1'900'000'000));
  EXPECT_EQ((*found)[2].not_before.time_since_epoch(), seconds(1'577'836'800));
  EXPECT_EQ((*found)[2].not_after.time_since_epoch(), seconds(253'402'300'799));
  EXPECT_EQ(end_of(*found).time_since_epoch(), seconds(1'700'000'000));
  EXPECT_EQ(validity_of("no certificate").error().kind, ErrorKind::file);
}

TEST(Validity, IsSpokenOfWhenAThirdIsLeftAndAtMost14DaysAhead) {
  // By lifetime: a certificate for trials, ACME's of 6 and 90 days, those of 47 days, a year and ten years.
  const std::pair<days, seconds> notices[] = {{days(13), seconds(days(13)) / 3},
                                              {days(6), days(2)},
                                              {days(90), days(14)},
                                              {days(47), days(14)},
                                              {days(365), days(14)},
                                              {days(3650), days(14)}};
  for (const auto& [lifetime, notice] : notices) {
    EXPECT_EQ(said(lifetime, lifetime), "") << lifetime.count() << " days: new";
    EXPECT_EQ(said(lifetime, notice), "") << lifetime.count() << " days";
    EXPECT_THAT(said(lifetime, notice - seconds(1)),
                testing::StartsWith("the certificate in c.pem expires on "))
        << lifetime.count() << " days";
  }
}

TEST(Validity, SaysWhenAndHowLongThatIs) {
  EXPECT_EQ(said(days(90), days(10) + hours(3)),
            "the certificate in c.pem expires on 2020-12-12 12:26 UTC, in 10 days");
  EXPECT_THAT(said(days(90), days(2) - seconds(1)), testing::EndsWith(", in 47 hours"));
  EXPECT_THAT(said(days(90), hours(2) - seconds(1)), testing::EndsWith(", in 119 minutes"));
  EXPECT_THAT(said(days(90), minutes(1)), testing::EndsWith(", in 1 minute"));
  EXPECT_THAT(said(days(90), seconds(0)), testing::EndsWith(", in 0 minutes"))
      << "the last second still counts";
  EXPECT_EQ(said(days(90), seconds(-1)),
            "the certificate in c.pem expired on 2020-12-12 12:26 UTC, so clients refuse it");
  EXPECT_EQ(said(days(90), days(90) + seconds(1)),
            "the certificate in c.pem is not valid before 2020-09-13 12:26 UTC, so clients refuse it (is the "
            "clock right?)");
}

TEST(Validity, NamesTheWorstOfAChain) {
  const auto now = start + days(100);
  const Validity good = valid_for(days(3650)), soon = valid_for(days(110)), sooner = valid_for(days(105)),
                 over = valid_for(days(99)), long_over = valid_for(days(50)),
                 early = {.not_before = now + days(1), .not_after = now + days(2)};
  const auto said_of = [&](std::vector<Validity> chain) {
    return concern_about(chain, "in c.pem", now).value_or("");
  };
  EXPECT_EQ(said_of({good, good}), "");
  EXPECT_EQ(said_of({good, soon, good}),
            "certificate 2 of the chain in c.pem expires on 2021-01-01 12:26 UTC, in 10 days");
  EXPECT_THAT(said_of({soon, sooner}), testing::StartsWith("certificate 2 of the chain in c.pem expires"));
  EXPECT_THAT(said_of({sooner, soon}), testing::StartsWith("the certificate in c.pem expires"));
  EXPECT_THAT(said_of({soon, early}),
              testing::StartsWith("certificate 2 of the chain in c.pem is not valid"));
  EXPECT_THAT(said_of({early, soon}), testing::StartsWith("the certificate in c.pem is not valid"));
  EXPECT_THAT(said_of({early, good, over}),
              testing::StartsWith("certificate 3 of the chain in c.pem expired"));
  EXPECT_THAT(said_of({over, long_over}), testing::HasSubstr("certificate 2 of the chain in c.pem expired"));
}

}  // namespace
}  // namespace sallyport::tls
