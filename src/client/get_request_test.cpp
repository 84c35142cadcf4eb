// What a user of `get` may ask for besides a plain download, over HTTP/2 and HTTP/1.1: fields, methods,
// content, heads, tries and limits.
#include "base/file.h"
#include "base/folder_for_test.h"
#include "client/get.h"
#include "client/world_for_test.h"

#include <optional>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace sallyport::client {
namespace {

using http::Exchange;
using http::test::RecordingExchange;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class GetRequest : public testing::TestWithParam<dial::HttpChoice> {
 protected:
  GetRequest() {
    world.answer = [this](Exchange& exchange, RecordingExchange& body) {
      const http::Request& request = exchange.request();
      asked.push_back(request.method + " " + request.authority + request.path);
      requests.push_back(request);
      body.then_end = [this, &body](Exchange&) { bodies.push_back(body.body); };
      answer(exchange, body);
    };
  }

  static void say(Exchange& exchange, std::string_view body, http::Response head = {}) {
    head.fields.add("content-length", std::to_string(body.size()));
    exchange.respond(head, body.empty());
    if (body.empty()) return;
    exchange.write(as_bytes(body));
    exchange.finish();
  }

  GetOptions options(const std::string& url = "https://example.com/start") const {
    GetOptions made;
    made.jobs = {{*dial::parse_url(url), folder / "f"}};
    made.chain.http = GetParam();
    made.progress = false;
    made.verbose = [this](std::string_view lines) { said += lines; };
    return made;
  }

  void run(GetOptions given, Duration time = 60s) {
    get.emplace(context, std::move(given), [this](GetFigures figures) {
      result = std::move(figures);
      ended = world.clock.timers.now();
    });
    began = world.clock.timers.now();
    get->start();
    world.clock.pass(time);
    ASSERT_TRUE(result);
  }

  const TransferFigures& transfer() const { return result->transfers.at(0); }

  const FolderForTest folder;
  test::World world;
  dial::Context context = world.context();
  std::function<void(Exchange&, RecordingExchange&)> answer = [](Exchange& exchange, RecordingExchange&) {
    say(exchange, "hello");
  };
  std::vector<std::string> asked, bodies;
  std::vector<http::Request> requests;
  mutable std::string said;
  std::optional<Get> get;
  std::optional<GetFigures> result;
  Time began{}, ended{};
};

TEST_P(GetRequest, SendsFieldsOfTheUserAndHidesSecrets) {
  GetOptions given = options();
  ASSERT_TRUE(add_field(given.request, "X-A: 1"));
  ASSERT_TRUE(add_field(given.request, "Authorization: Bearer abcdef"));
  ASSERT_TRUE(add_field(given.request, "Cookie: a=abcdef"));
  given.keep_headers = true;
  answer = [](Exchange& exchange, RecordingExchange&) {
    say(exchange, "hello", {.fields = {{"x-b", "2"}, {"set-cookie", "c=abcdef"}, {"x-b", "3"}}});
  };
  run(given);
  EXPECT_EQ(requests.at(0).fields.find("x-a"), "1");
  EXPECT_EQ(requests.at(0).fields.find("authorization"), "Bearer abcdef");
  EXPECT_EQ(requests.at(0).fields.find("cookie"), "a=abcdef");
  EXPECT_THAT(said,
              AllOf(HasSubstr("* origin example.com:443: HTTP/"), HasSubstr("> GET /start HTTP/"),
                    HasSubstr("> host: example.com\n"), HasSubstr("> x-a: 1\n"),
                    HasSubstr("> authorization: (hidden)\n"), HasSubstr(" 200\n"), HasSubstr("< x-b: 3\n"),
                    HasSubstr("< set-cookie: (hidden)\n"), Not(HasSubstr("abcdef"))));
  const std::string json = figures_json(*result);
  EXPECT_THAT(json, AllOf(HasSubstr("\"x-b\":[\"2\",\"3\"]"), HasSubstr("\"set-cookie\":[\"(hidden)\"]"),
                          Not(HasSubstr("abcdef"))));
}

TEST_P(GetRequest, SendsSecretsToTheFirstOriginOnly) {
  answer = [](Exchange& exchange, RecordingExchange&) {
    const auto to = [&](std::string_view where) {
      exchange.respond({.status = 302, .fields = {{"location", where}, {"content-length", "0"}}}, true);
    };
    const std::string& path = exchange.request().path;
    if (path == "/start") return to("/same");
    if (path == "/same") return to("https://other.test/x");
    if (path == "/x") return to("https://other.test:8443/y");
    if (path == "/y") return to("https://example.com/back");
    say(exchange, "hello");
  };
  GetOptions given = options();
  given.follow_redirects = true;
  for (const std::string_view field : {"Authorization: a", "Cookie: c", "X-A: 1", "Host: alias.test"})
    ASSERT_TRUE(add_field(given.request, field));
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_THAT(asked, ElementsAre("GET alias.test/start", "GET alias.test/same", "GET other.test/x",
                                 "GET other.test:8443/y", "GET alias.test/back"));
  for (const std::size_t i : {0U, 1U, 4U}) {
    EXPECT_TRUE(requests.at(i).fields.contains("authorization"));
    EXPECT_TRUE(requests.at(i).fields.contains("cookie"));
  }
  for (const std::size_t i : {2U, 3U}) {
    EXPECT_FALSE(requests.at(i).fields.contains("authorization"));
    EXPECT_FALSE(requests.at(i).fields.contains("cookie"));
    EXPECT_TRUE(requests.at(i).fields.contains("x-a"));
  }
}

TEST_P(GetRequest, FollowsALocationThatIsNotEncoded) {
  answer = [](Exchange& exchange, RecordingExchange&) {
    if (exchange.request().path != "/start") return say(exchange, "hello");
    exchange.respond(
        {.status = 302,
         .fields = {{"location", "HTTPS://Example.COM:/a/../\xc3\xbc b[1]?100%"}, {"content-length", "0"}}},
        true);
  };
  GetOptions given = options();
  given.follow_redirects = true;
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_THAT(asked, ElementsAre("GET example.com/start", "GET example.com/%C3%BC%20b%5B1%5D?100%25"));
}

TEST_P(GetRequest, WritesHeadsBeforeTheBody) {
  GetOptions given = options();
  given.heads_in_output = true;
  answer = [](Exchange& exchange, RecordingExchange&) {
    exchange.inform({.status = 103, .fields = {{"link", "<a>"}}});
    say(exchange, "hello", {.fields = {{"set-cookie", "a=b"}}});
  };
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_EQ(transfer().fetch.bytes, 5u);
  const std::string version = GetParam() == dial::HttpChoice::h1 ? "HTTP/1.1" : "HTTP/2";
  EXPECT_THAT(folder.content("f"),
              AllOf(testing::StartsWith(version + " 103 \r\nlink: <a>\r\n\r\n" + version + " 200 \r\n"),
                    HasSubstr("set-cookie: a=b\r\n"), testing::EndsWith("\r\n\r\nhello")));
}

TEST_P(GetRequest, AsksForTheHeadOnly) {
  GetOptions given = options();
  given.request.method = "HEAD";
  given.heads_in_output = true;
  answer = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200, .fields = {{"content-length", "12345"}, {"etag", "\"1\""}}}, false);
    exchange.finish();
  };
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_THAT(asked, ElementsAre("HEAD example.com/start"));
  EXPECT_THAT(folder.content("f"),
              AllOf(HasSubstr("content-length: 12345\r\n"), testing::EndsWith("\r\n\r\n")));
  EXPECT_FALSE(file_exists(folder / "f.part.json"));
}

TEST_P(GetRequest, SendsContent) {
  const std::string content(3'000'000, 'x');
  GetOptions given = options();
  given.request.method = "POST";
  given.request.content = Content::of_text(content);
  answer = [this](Exchange&, RecordingExchange& body) {
    body.then_end = [this, &body](Exchange& exchange) {
      bodies.push_back(body.body);
      say(exchange, "taken", {.status = 201});
    };
  };
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_THAT(asked, ElementsAre("POST example.com/start"));
  EXPECT_THAT(bodies, ElementsAre(content));
  EXPECT_EQ(requests.at(0).fields.find("content-length"), "3000000");
  EXPECT_EQ(folder.content("f"), "taken");
}

TEST_P(GetRequest, SendsEmptyContent) {
  GetOptions given = options();
  given.request.method = "POST";
  given.request.content = Content::of_text("");
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_EQ(requests.at(0).fields.find("content-length"), "0");
}

TEST_P(GetRequest, SendsAFileAndOnlyWhatItWas) {
  const std::string content(300'000, 'y');
  ASSERT_TRUE(write_file(folder / "up", content, 0600, IfExists::replace));
  GetOptions given = options();
  given.request.method = "PUT";
  given.request.content = *Content::of_file(folder / "up");
  answer = [this](Exchange&, RecordingExchange& body) {
    body.then_end = [this, &body](Exchange& exchange) {
      bodies.push_back(body.body);
      say(exchange, "");
    };
  };
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_THAT(bodies, ElementsAre(content));

  ASSERT_EQ(::truncate((folder / "up").c_str(), 1000), 0);
  run(given);
  EXPECT_THAT(transfer().error, HasSubstr("became shorter while it was being sent"));
}

TEST_P(GetRequest, StopsSendingWhenItHasItsAnswer) {
  GetOptions given = options();
  given.request.method = "POST";
  given.request.content = Content::of_text(std::string(8'000'000, 'x'));
  answer = [](Exchange& exchange, RecordingExchange& body) {
    body.consumes = false;
    say(exchange, "enough", {.status = 413});
  };
  run(given);
  EXPECT_THAT(transfer().error, HasSubstr("HTTP status 413"));
  EXPECT_LT(ended - began, 10s);
}

TEST_P(GetRequest, ARedirectedPostBecomesAGet) {
  answer = [](Exchange& exchange, RecordingExchange& body) {
    if (exchange.request().path != "/start") return say(exchange, "hello");
    body.then_end = [](Exchange& from) {
      from.respond({.status = 303, .fields = {{"location", "/done"}, {"content-length", "0"}}}, true);
    };
  };
  GetOptions given = options();
  given.follow_redirects = true;
  given.request.method = "POST";
  given.request.content = Content::of_text("x");
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_THAT(asked, ElementsAre("POST example.com/start", "GET example.com/done"));
}

TEST_P(GetRequest, TakesTheBodyOfAnErrorWhenAsked) {
  answer = [](Exchange& exchange, RecordingExchange&) { say(exchange, "not here", {.status = 404}); };
  GetOptions given = options();
  run(given);
  EXPECT_THAT(transfer().error, HasSubstr("404"));
  EXPECT_FALSE(file_exists(folder / "f"));
  given.take_any_status = true;
  run(given);
  EXPECT_THAT(transfer().error, HasSubstr("404"));
  EXPECT_EQ(folder.content("f"), "not here");
  given.status_fails = false;
  run(given);
  EXPECT_EQ(transfer().error, "");
}

TEST_P(GetRequest, ARangeOfTheUsersOwnIsTakenAsItIs) {
  answer = [](Exchange& exchange, RecordingExchange&) {
    say(exchange, "ell", {.status = 206, .fields = {{"etag", "\"1\""}, {"content-range", "bytes 1-3/5"}}});
  };
  GetOptions given = options();
  ASSERT_TRUE(add_field(given.request, "Range: bytes=1-3"));
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_EQ(folder.content("f"), "ell");
}

TEST_P(GetRequest, TriesAgainWhatMayPass) {
  unsigned left = 2;
  answer = [&](Exchange& exchange, RecordingExchange&) {
    if (left-- == 0) return say(exchange, "hello");
    say(exchange, "busy", {.status = 503, .fields = {{"retry-after", "3"}}});
  };
  GetOptions given = options();
  std::vector<std::string> notes;
  given.note = [&](std::string_view sentence) { notes.emplace_back(sentence); };
  given.retries = 2;
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_EQ(transfer().retries, 2u);
  EXPECT_EQ(asked.size(), 3u);
  EXPECT_GE(ended - began, 6s);
  EXPECT_LT(ended - began, 7s);
  EXPECT_THAT(notes, ElementsAre(AllOf(HasSubstr("503"), HasSubstr("try 1 of 2 follows in 3 s")),
                                 HasSubstr("try 2 of 2")));
  EXPECT_EQ(folder.content("f"), "hello");

  left = 5;
  asked.clear();
  run(given);
  EXPECT_THAT(transfer().error, HasSubstr("503"));
  EXPECT_EQ(asked.size(), 3u);

  asked.clear();
  answer = [](Exchange& exchange, RecordingExchange&) { say(exchange, "", {.status = 404}); };
  run(given);
  EXPECT_EQ(asked.size(), 1u);
}

TEST_P(GetRequest, ATryThatBrokeOffIsGoneOnWith) {
  answer = [&](Exchange& exchange, RecordingExchange&) {
    const auto range = exchange.request().fields.find("range");
    if (range == "bytes=3-9")
      return say(exchange, "lo1234\n",
                 {.status = 206, .fields = {{"etag", "\"1\""}, {"content-range", "bytes 3-9/10"}}});
    EXPECT_EQ(range, std::nullopt);
    exchange.respond({.status = 200, .fields = {{"etag", "\"1\""}, {"content-length", "10"}}});
    exchange.write(as_bytes("hel"));
    // Nothing more: the stall timeout ends it.
  };
  GetOptions given = options();
  given.stall_timeout = 5s;
  given.retries = 1;
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_EQ(folder.content("f"), "hello1234\n");
  EXPECT_EQ(transfer().fetch.resumed_bytes, 3u);
}

TEST_P(GetRequest, GivesUpWhenItsTimeIsOver) {
  answer = [](Exchange&, RecordingExchange&) {};
  GetOptions given = options();
  given.max_time = 2500ms;
  run(given);
  EXPECT_THAT(transfer().error, AllOf(HasSubstr("2.5 s"), HasSubstr("--max-time")));
  EXPECT_GE(ended - began, 2500ms);
  EXPECT_LT(ended - began, 4s);
}

TEST_P(GetRequest, KeepsToItsRate) {
  const std::string content(4'000'000, 'z');
  answer = [&](Exchange& exchange, RecordingExchange&) { say(exchange, content); };
  GetOptions given = options();
  given.rate_limit = 200'000;
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_EQ(folder.content("f"), content);
  EXPECT_GT(ended - began, 12s) << "a window or two may come at once";
  EXPECT_LT(ended - began, 21s);
}

TEST_P(GetRequest, KeepsToItsRateWhenItSends) {
  GetOptions given = options();
  given.rate_limit = 200'000;
  given.request.method = "PUT";
  given.request.content = Content::of_text(std::string(4'000'000, 'x'));
  answer = [](Exchange&, RecordingExchange& body) {
    body.then_end = [](Exchange& exchange) { say(exchange, ""); };
  };
  run(given);
  EXPECT_EQ(transfer().error, "");
  EXPECT_GT(ended - began, 19s);
  EXPECT_LT(ended - began, 21s);
}

TEST_P(GetRequest, AnAddressFamilyThatANameHasNotIsSaid) {
  context.family = dial::AddressFamily::ipv6;
  run(options());
  EXPECT_THAT(transfer().error, AllOf(HasSubstr("example.com"), HasSubstr("-6")));
  ASSERT_TRUE(context.pinned.add("example.com:443:192.0.2.7,2001:db8::7"));
  run(options());
  EXPECT_EQ(transfer().error, "");
}

INSTANTIATE_TEST_SUITE_P(Versions, GetRequest, testing::Values(dial::HttpChoice::h1, dial::HttpChoice::h2),
                         [](const auto& given) { return given.param == dial::HttpChoice::h1 ? "h1" : "h2"; });

}  // namespace
}  // namespace sallyport::client
