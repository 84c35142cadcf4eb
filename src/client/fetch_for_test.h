// FetchTest: a server of one resource, whose behaviour each test bends, and a Fetch of it over HTTP/1.1 and
// HTTP/2.
#pragma once

#include "client/fetch.h"
#include "http/tcp_for_test.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::client::test {
using http::Exchange;
using http::test::Pair;
using http::test::RecordingExchange;

class StringOutput final : public Output {
 public:
  bool seekable() const override { return seeks; }
  Result<> write_at(std::uint64_t offset, Bytes bytes) override {
    if (full) return fail(ErrorKind::file, "cannot write to 'x': No space left on device");
    text.resize(std::max<std::size_t>(text.size(), offset + bytes.size()));
    if (!bytes.empty()) std::memcpy(text.data() + offset, bytes.data(), bytes.size());
    return {};
  }
  std::size_t queued_bytes() const override { return behind ? 1 : 0; }
  void set_drained_handler(std::function<void()> handler) override { drained = std::move(handler); }
  bool gather_writes() const override { return gathers; }
  void note_progress(const PartState& state, bool) override { noted = state; }
  PartState earlier() const override { return before; }
  std::uint64_t untold_bytes() const override { return untold; }
  std::string partial_path() const override { return "x.part"; }
  Result<> truncate() override {
    text.clear();
    ++truncated;
    return {};
  }
  Result<> complete() override {
    ++completed;
    return {};
  }

  PartState before, noted;
  std::uint64_t untold = 0;
  std::string text;
  bool full = false, behind = false, gathers = true, seeks = true;
  std::function<void()> drained;
  int truncated = 0, completed = 0;
};

/// A server of one resource, whose behaviour each test bends. Connections to it are made as they are needed.
class FetchTest : public testing::TestWithParam<Pair::Speaks> {
 protected:
  FetchTest() {
    for (std::size_t i = 0; i < 10'000; ++i) content += static_cast<char>('a' + i % 23);
    requests.then = [this](Exchange& exchange, RecordingExchange&) {
      asked.push_back(field(exchange, "range"));
      conditions.push_back(field(exchange, "if-range"));
      answer(exchange);
    };
  }

  void connect() {
    auto [near, far] = net::make_memory_streams(clock.timers);
    const http::StreamSecurity security{"example.com", "TLS1.3 AES-128-GCM"};
    const bool h1 = GetParam() == Pair::Speaks::h1;
    const auto make_client = h1 ? http::make_h1_client : http::make_h2_client;
    const auto make_server = h1 ? http::make_h1_server : http::make_h2_server;
    clients.push_back(make_client(clock.timers, std::move(near), security, events, limits));
    servers.push_back(make_server(clock.timers, std::move(far), security, requests, &events, limits));
  }

  void open(const Fetch::Opened& opened) {
    if (no_more_connections) return opened(fail(ErrorKind::refused, "nobody is there"));
    if (clients.empty() || !clients.back()->can_request()) connect();
    opened(clients.back().get());
  }

  static std::string field(Exchange& exchange, std::string_view name) {
    return std::string(exchange.request().fields.find(name).value_or(""));
  }

  void whole(Exchange& exchange) {
    http::Response head{.status = 200, .fields = {{"content-length", std::to_string(content.size())}}};
    add_validators(head);
    exchange.respond(head);
    exchange.write(as_bytes(content));
    exchange.finish();
  }

  void ranged(Exchange& exchange, std::size_t most = 1 << 20) {
    const std::string range = field(exchange, "range");
    if (range.empty()) return whole(exchange);
    std::size_t first = 0, last = 0;
    ASSERT_EQ(std::sscanf(range.c_str(), "bytes=%zu-%zu", &first, &last), 2);
    last = std::min({last, content.size() - 1, first + most - 1});
    http::Response head{
        .status = 206,
        .fields = {{"content-length", std::to_string(last - first + 1)},
                   {"content-range", "bytes " + std::to_string(first) + "-" + std::to_string(last) + "/" +
                                         std::to_string(content.size())}}};
    if (!bare || field(exchange, "if-range").empty()) add_validators(head);
    exchange.respond(head);
    exchange.write(as_bytes(content).subspan(first, last - first + 1));
    exchange.finish();
  }

  /// With what had_before() left out as the body.
  void rest(Exchange& exchange, http::Response head) {
    add_validators(head);
    exchange.respond(head);
    exchange.write(as_bytes(content).subspan(3000));
    exchange.finish();
  }

  void add_validators(http::Response& head) const {
    if (!tag.empty()) head.fields.add("etag", tag);
    if (!modified.empty()) head.fields.add("last-modified", modified);
    head.fields.add("date", "Sun, 06 Nov 1994 08:49:37 GMT");
  }

  void refuse_range(Exchange& exchange) {
    exchange.respond({.status = 416, .fields = {{"content-length", "3"}}});
    exchange.write(as_bytes("no\n"));
    exchange.finish();
  }

  std::unique_ptr<Fetch> start(std::size_t parts) {
    auto fetch = std::make_unique<Fetch>(
        clock.timers, [this](const Fetch::Opened& opened) { open(opened); },
        *dial::parse_url("https://example.com/x"), output,
        FetchOptions{.parts = parts,
                     .smallest_part = 1000,
                     .stall_timeout = stall_timeout,
                     .note = [this](std::string_view sentence) { notes.emplace_back(sentence); }},
        [this](Result<> verdict) { result = std::move(verdict); });
    fetch->start();
    return fetch;
  }

  void run(std::size_t parts) {
    const auto fetch = start(parts);
    clock.pass(1s);
    figures = fetch->figures();
  }

  void expect_error(ErrorKind kind) {
    ASSERT_TRUE(result.has_value());
    ASSERT_FALSE(result->has_value());
    EXPECT_EQ(result->error().kind, kind) << result->error().message;
  }

  void expect_whole() {
    ASSERT_TRUE(result.has_value());
    ASSERT_TRUE(result->has_value()) << result->error().message;
    EXPECT_EQ(output.text, content);
    EXPECT_EQ(output.completed, 1);
  }

  void had_before(const std::string& validator) {
    output.before = {validator, content.size(), {{0, 3000}}};
    output.text = std::string(3000, 'Z');
    if (validator == tag || validator == modified) output.text = content.substr(0, 3000);
  }

  std::string content, tag = "\"1\"", modified;
  bool bare = false;  // a 206 to If-Range has no validators
  bool no_more_connections = false;
  Duration stall_timeout = 5s;
  std::vector<std::string> asked, conditions, notes;
  std::function<void(Exchange&)> answer = [this](Exchange& exchange) { ranged(exchange); };
  StringOutput output;
  std::optional<Result<>> result;
  FetchFigures figures;
  http::Limits limits;
  http::test::Clock clock;
  http::test::RecordingConnection events;
  http::test::RecordingServer requests;
  std::vector<std::unique_ptr<http::Connection>> clients, servers;
};

}  // namespace sallyport::client::test
