#include "client/fetch.h"

#include "http/tcp_for_test.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client {
namespace {

using http::Exchange;
using http::test::Pair;
using http::test::RecordingExchange;

class StringOutput final : public Output {
 public:
  bool seekable() const override { return true; }
  Result<> write_at(std::uint64_t offset, Bytes bytes) override {
    if (full) return fail(ErrorKind::file, "cannot write to 'x': No space left on device");
    text.resize(std::max<std::size_t>(text.size(), offset + bytes.size()));
    std::memcpy(text.data() + offset, bytes.data(), bytes.size());
    return {};
  }
  PartState earlier() const override { return before; }
  Result<> truncate() override {
    text.clear();
    ++truncated;
    return {};
  }
  Result<> complete() override {
    ++completed;
    return {};
  }

  PartState before;
  std::string text;
  bool full = false;
  int truncated = 0, completed = 0;
};

/// A server of one resource, whose behaviour each test bends.
class FetchTest : public testing::TestWithParam<Pair::Speaks> {
 protected:
  FetchTest() : pair(GetParam()) {
    for (std::size_t i = 0; i < 10'000; ++i) content += static_cast<char>('a' + i % 23);
    pair.requests.then = [this](Exchange& exchange, RecordingExchange&) {
      asked.push_back(field(exchange, "range"));
      answer(exchange);
    };
  }

  static std::string field(Exchange& exchange, std::string_view name) {
    return std::string(exchange.request().fields.find(name).value_or(""));
  }

  void whole(Exchange& exchange) {
    exchange.respond(
        {.status = 200, .fields = {{"etag", tag}, {"content-length", std::to_string(content.size())}}});
    exchange.write(as_bytes(content));
    exchange.finish();
  }

  void ranged(Exchange& exchange, std::size_t most = 1 << 20) {
    const std::string range = field(exchange, "range");
    if (range.empty()) return whole(exchange);
    std::size_t first = 0, last = 0;
    ASSERT_EQ(std::sscanf(range.c_str(), "bytes=%zu-%zu", &first, &last), 2);
    last = std::min({last, content.size() - 1, first + most - 1});
    exchange.respond(
        {.status = 206,
         .fields = {{"etag", tag},
                    {"content-length", std::to_string(last - first + 1)},
                    {"content-range", "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                                          std::to_string(content.size())}}});
    exchange.write(as_bytes(content).subspan(first, last - first + 1));
    exchange.finish();
  }

  void run(std::size_t parts) {
    pair.clock.settle();
    Fetch fetch(*pair.client, *parse_url("https://example.com/x"), output,
                {.parts = parts, .smallest_part = 1000},
                [this](Result<> verdict) { result = std::move(verdict); });
    fetch.start();
    pair.clock.pass(1s);
    figures = fetch.figures();
  }

  void expect_whole() {
    ASSERT_TRUE(result.has_value());
    ASSERT_TRUE(result->has_value()) << result->error().message;
    EXPECT_EQ(output.text, content);
    EXPECT_EQ(output.completed, 1);
  }

  void had_before(const std::string& validator) {
    output.before = {"https://example.com/x", validator, content.size(), {{0, 3000}}};
    output.text = std::string(3000, 'Z');
    if (validator == tag) output.text = content.substr(0, 3000);
  }

  std::string content, tag = "\"1\"";
  std::vector<std::string> asked;
  std::function<void(Exchange&)> answer = [this](Exchange& exchange) { ranged(exchange); };
  StringOutput output;
  std::optional<Result<>> result;
  FetchFigures figures;
  Pair pair;
};

TEST_P(FetchTest, PutsPartsTogether) {
  run(4);
  expect_whole();
  EXPECT_GE(figures.requests, 5u);
}

TEST_P(FetchTest, TakesTheWholeFromAServerThatKnowsNoRanges) {
  answer = [this](Exchange& exchange) { whole(exchange); };
  run(4);
  expect_whole();
  EXPECT_EQ(figures.requests, 1u);
}

TEST_P(FetchTest, AsksAgainForWhatAShorterRangeLeft) {
  answer = [this](Exchange& exchange) { ranged(exchange, 700); };
  run(3);
  expect_whole();
}

TEST_P(FetchTest, ResumesWithWhatIsMissing) {
  had_before(tag);
  run(2);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 3000u);
  EXPECT_EQ(figures.bytes, content.size() - 3000);
  EXPECT_THAT(asked, testing::Contains(testing::StartsWith("bytes=3000-")));
}

TEST_P(FetchTest, StartsOverWhenTheResourceChanged) {
  had_before("\"0\"");
  answer = [this](Exchange& exchange) {
    field(exchange, "if-range") == tag ? ranged(exchange) : whole(exchange);
  };
  run(4);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 0u);
  EXPECT_EQ(output.truncated, 1);
}

TEST_P(FetchTest, StartsOverWithoutAValidator) {
  had_before("");
  run(1);
  expect_whole();
  EXPECT_EQ(figures.resumed_bytes, 0u);
}

TEST_P(FetchTest, NeverJoinsTwoVersions) {
  answer = [this](Exchange& exchange) {
    if (asked.size() == 3) tag = "\"2\"";
    ranged(exchange);
  };
  run(4);
  ASSERT_TRUE(result.has_value());
  ASSERT_FALSE(result->has_value());
  EXPECT_THAT(result->error().message, testing::HasSubstr("changed"));
  EXPECT_EQ(output.completed, 0);
}

TEST_P(FetchTest, AnErrorLeavesTheConnectionFree) {
  answer = [](Exchange& exchange) {
    exchange.respond({.status = 404, .fields = {{"content-length", "3"}}});
    exchange.write(as_bytes("no\n"));
    exchange.finish();
  };
  run(1);
  ASSERT_TRUE(result.has_value());
  ASSERT_FALSE(result->has_value());
  EXPECT_EQ(result->error().code, 404u);
  EXPECT_TRUE(pair.client->can_request());
  EXPECT_EQ(output.text, "");
}

TEST_P(FetchTest, AFullDiskIsTheErrorThatIsTold) {
  output.full = true;
  run(4);
  ASSERT_TRUE(result.has_value());
  ASSERT_FALSE(result->has_value());
  EXPECT_EQ(result->error().kind, ErrorKind::file);
}

INSTANTIATE_TEST_SUITE_P(Versions, FetchTest, testing::Values(Pair::Speaks::h1, Pair::Speaks::h2),
                         [](const auto& speaks) {
                           return speaks.param == Pair::Speaks::h1 ? "Http1" : "Http2";
                         });

}  // namespace
}  // namespace sallyport::client
