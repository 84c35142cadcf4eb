#include "masque/bearer.h"

#include <string>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

using Kind = BearerOffer::Kind;

BearerOffer offered(const http::Fields& fields, bool proxy_field_first = false) {
  return offered_bearer(fields, proxy_field_first);
}

TEST(Bearer, TheSchemeIsOfAnyCaseAndFollowedByAnySpaces) {
  for (const char* value : {"Bearer abc", "bearer abc", "BEARER abc", "bEaReR   abc"}) {
    const http::Fields fields{{"authorization", value}};
    const BearerOffer offer = offered(fields);
    EXPECT_EQ(offer.kind, Kind::token) << value;
    EXPECT_EQ(offer.token, "abc") << value;
  }
}

TEST(Bearer, ATokenIsWhatRfc6750AllowsAndNothingElse) {
  for (const char* token : {"a", "AZaz09-._~+/", "a=", "a===", "//"})
    EXPECT_TRUE(is_bearer_token(token)) << token;
  for (const char* token :
       {"", "=", "==", "=a", "a=b", "a b", "a,b", "a\"", "\xc3\xa4", "a:b", "a\t", "a;b", "a\\"})
    EXPECT_FALSE(is_bearer_token(token)) << token;
  EXPECT_FALSE(is_bearer_token(std::string_view("a\0b", 3)));
  EXPECT_TRUE(is_bearer_token(std::string(max_bearer_token, 'a')));
  EXPECT_FALSE(is_bearer_token(std::string(max_bearer_token + 1, 'a')));
}

TEST(Bearer, OtherSchemesOfferNothing) {
  for (const char* value :
       {"", "Basic YTpi", "Digest username=\"a\"", "Bear abc", "Bearerabc", "abc", ", Bearer abc"}) {
    const http::Fields fields{{"authorization", value}};
    EXPECT_EQ(offered(fields).kind, Kind::none) << value;
  }
  EXPECT_EQ(offered({}).kind, Kind::none);
}

TEST(Bearer, WhatIsMeantAsATokenAndIsNoneIsMalformed) {
  for (const char* value : {"Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \"a\"",
                            "Bearer token=\"a\"", "bearer a, Basic b"}) {
    const http::Fields fields{{"authorization", value}};
    EXPECT_EQ(offered(fields).kind, Kind::malformed) << value;
  }
  const http::Fields twice{{"authorization", "Bearer a"}, {"authorization", "Bearer a"}};
  EXPECT_EQ(offered(twice).kind, Kind::malformed) << "the field is no list (RFC 9110 §11.6.2)";
}

TEST(Bearer, BothFieldsAreGoodAndTheRequestsOwnComesFirst) {
  const http::Fields both{{"authorization", "Bearer origin"}, {"proxy-authorization", "Bearer proxy"}};
  EXPECT_EQ(offered(both, false).token, "origin");
  EXPECT_EQ(offered(both, true).token, "proxy");
  for (const bool proxy_first : {false, true}) {
    EXPECT_EQ(offered(http::Fields{{"authorization", "Bearer x"}}, proxy_first).kind, Kind::token);
    EXPECT_EQ(offered(http::Fields{{"proxy-authorization", "Bearer x"}}, proxy_first).kind, Kind::token);
  }
  const http::Fields mixed{{"authorization", "Basic YTpi"}, {"proxy-authorization", "Bearer proxy"}};
  EXPECT_EQ(offered(mixed, false).token, "proxy");
  const http::Fields broken{{"authorization", "Bearer ?"}, {"proxy-authorization", "Bearer proxy"}};
  EXPECT_EQ(offered(broken, false).kind, Kind::malformed) << "one guess a request";
}

}  // namespace
}  // namespace sallyport::masque
