#include "ingress/forwarded_message.h"

#include "masque/doubles_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::ingress {
namespace {

class ForwardedMessageTest : public testing::Test {
 protected:
  http::Request forwarded(const http::Request& request) {
    return request_for_backend(connection.receive(request), "http", "backend.test:8080", {"gateway", random});
  }
  net::Timers timers{Time(100s)};
  masque::ConnectionForTest connection{timers};
  SeededRandom random{1};
};

// RFC 8470 §5.1.
TEST_F(ForwardedMessageTest, EarlyDataIsSaidToBeSo) {
  EXPECT_EQ(forwarded({.early_data = true}).fields.find("early-data"), "1");
  EXPECT_FALSE(forwarded({}).fields.contains("early-data"));
  http::Request pretended;
  pretended.fields = {{"early-data", "1"}};
  EXPECT_FALSE(forwarded(pretended).fields.contains("early-data"));
}

TEST_F(ForwardedMessageTest, KeepsWhatTheRequestIs) {
  const http::Request made = forwarded({.method = "PUT",
                                        .scheme = "https",
                                        .authority = "a.test:8443",
                                        .path = "/x?y",
                                        .fields = {{"te", "trailers"}, {"expect", "100-continue"}},
                                        .priority = {.urgency = 1, .incremental = true}});
  EXPECT_EQ(made.method, "PUT");
  EXPECT_EQ(made.scheme, "http");
  EXPECT_EQ(made.authority, "a.test:8443");
  EXPECT_EQ(made.path, "/x?y");
  EXPECT_EQ(made.fields.find("te"), "trailers");
  EXPECT_EQ(made.fields.find("expect"), "100-continue");
  EXPECT_EQ(made.fields.find("x-forwarded-host"), "a.test:8443");
  EXPECT_EQ(made.priority, (http::Priority{.urgency = 1, .incremental = true}));
}

// HTTP/1.0 without Host.
TEST_F(ForwardedMessageTest, ARequestForNobodyIsForTheBackend) {
  const http::Request made = forwarded({.authority = "", .path = "/"});
  EXPECT_EQ(made.authority, "backend.test:8080");
  EXPECT_FALSE(made.fields.contains("x-forwarded-host"));
}

TEST_F(ForwardedMessageTest, EachRequestHasAnIdOfItsOwn) {
  const std::string one(*forwarded({}).fields.find("x-request-id"));
  EXPECT_NE(one, *forwarded({}).fields.find("x-request-id"));
}

}  // namespace
}  // namespace sallyport::ingress
