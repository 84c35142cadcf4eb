#include "client/request_plan.h"

#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using testing::HasSubstr;
using testing::Not;

RequestPlan plan_with(std::initializer_list<std::string_view> fields) {
  RequestPlan plan;
  for (const std::string_view field : fields) {
    const auto added = add_field(plan, field);
    EXPECT_TRUE(added) << field << ": " << added.error().message;
  }
  return plan;
}

const dial::Url& url() {
  static const dial::Url parsed = *dial::parse_url("https://h:8443/p?q");
  return parsed;
}

TEST(RequestPlan, IsAGetOfOursByItself) {
  const http::Request request = make_request({}, url());
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.authority, "h:8443");
  EXPECT_EQ(request.path, "/p?q");
  EXPECT_EQ(request.fields.find("accept"), "*/*");
  EXPECT_TRUE(request.fields.find("user-agent")->starts_with("sallyport/"));
  EXPECT_EQ(request.fields.size(), 2u);
}

TEST(RequestPlan, FieldsOfTheUserTakeThePlaceOfOurs) {
  const http::Request request = make_request(
      plan_with({"Accept: text/html", "X-A:1", "x-a:  2 ", "User-Agent:", "X-Empty;", "HOST: other:1"}),
      url());
  EXPECT_EQ(request.authority, "other:1");
  EXPECT_EQ(request.fields.joined("x-a"), "1, 2");
  EXPECT_EQ(request.fields.find("x-empty"), "");
  EXPECT_EQ(request.fields.count("accept"), 1u);
  EXPECT_EQ(request.fields.find("accept"), "text/html");
  EXPECT_FALSE(request.fields.contains("user-agent"));
  EXPECT_FALSE(request.fields.contains("host"));
}

TEST(RequestPlan, RefusesFieldsThatBreakTheMessage) {
  for (const std::string_view bad : {"content-length: 1",
                                     "Transfer-Encoding: chunked",
                                     "Connection: close",
                                     "Keep-Alive: 1",
                                     "Upgrade: x",
                                     "TE: trailers",
                                     "Proxy-Connection: x",
                                     "HTTP2-Settings: x",
                                     "Proxy-Authorization: secret",
                                     "no colon",
                                     "",
                                     ": x",
                                     ":path: /",
                                     "a b: c",
                                     "\xc3\xa4: x",
                                     "x; y",
                                     "Host:",
                                     "Host: a/b",
                                     "X: secret\r\nY: z",
                                     "X: secret\ny"}) {
    RequestPlan plan;
    const auto added = add_field(plan, bad);
    ASSERT_FALSE(added) << bad;
    EXPECT_EQ(added.error().kind, ErrorKind::usage);
    EXPECT_THAT(added.error().message, AllOf(Not(HasSubstr("secret")), Not(HasSubstr("\n"))));
    EXPECT_TRUE(plan.fields.empty() && plan.left_out.empty() && plan.authority.empty());
  }
  RequestPlan plan;
  EXPECT_FALSE(add_field(plan, std::string_view("X: a\0b", 6)));
}

TEST(RequestPlan, SaysHowLongItsContentIs) {
  RequestPlan plan;
  plan.method = "POST";
  plan.content_type = "text/a";
  plan.content = Content::of_text("hello");
  EXPECT_EQ(make_request(plan, url()).fields.find("content-length"), "5");
  EXPECT_EQ(make_request(plan, url()).fields.find("content-type"), "text/a");
  EXPECT_TRUE(add_field(plan, "Content-Type: text/b"));
  EXPECT_EQ(make_request(plan, url()).fields.joined("content-type"), "text/b");
}

TEST(RequestPlan, ARedirectMayMakeItAGet) {
  RequestPlan post = plan_with({"Content-Type: a/b", "X-A: 1"});
  post.method = "POST";
  post.content = Content::of_text("hello");
  for (const unsigned status : {301U, 302U, 303U}) {
    const RequestPlan next = redirected(post, status);
    EXPECT_EQ(next.method, "GET");
    EXPECT_FALSE(next.content);
    EXPECT_FALSE(next.fields.contains("content-type"));
    EXPECT_TRUE(next.fields.contains("x-a"));
  }
  for (const unsigned status : {307U, 308U}) {
    EXPECT_EQ(redirected(post, status).method, "POST");
    EXPECT_TRUE(redirected(post, status).content);
  }
  RequestPlan put = post;
  put.method = "PUT";
  EXPECT_TRUE(redirected(put, 302).content);
  EXPECT_EQ(redirected(put, 303).method, "GET");
  RequestPlan head;
  head.method = "HEAD";
  EXPECT_EQ(redirected(head, 303).method, "HEAD");
  post.keep_method = true;
  EXPECT_EQ(redirected(post, 302).method, "POST");
  EXPECT_FALSE(redirected(post, 302).content);
}

TEST(RequestPlan, TellsNoSecretsToAnotherOrigin) {
  const RequestPlan next = for_other_origin(
      plan_with({"Authorization: Bearer x", "Cookie: a=b", "X-A: 1", "Host: h", "Cookie: c=d"}));
  EXPECT_EQ(next.fields.size(), 1u);
  EXPECT_TRUE(next.fields.contains("x-a"));
  EXPECT_EQ(next.authority, "");
}

TEST(RequestPlan, KnowsWhatCanBeSplitAndRepeated) {
  EXPECT_TRUE(RequestPlan{}.is_plain_get());
  EXPECT_TRUE(plan_with({"X-A: 1"}).is_plain_get());
  EXPECT_FALSE(plan_with({"Range: bytes=0-1"}).is_plain_get());
  RequestPlan post;
  post.method = "POST";
  EXPECT_FALSE(post.is_plain_get());
  EXPECT_FALSE(post.is_repeatable());
  RequestPlan put;
  put.method = "PUT";
  put.content = Content::of_text("x");
  EXPECT_FALSE(put.is_plain_get());
  EXPECT_TRUE(put.is_repeatable());
}

}  // namespace
}  // namespace sallyport::client
