// What a request stream carries besides its body takes flow-control credit too (RFC 9000 §4.1), and gets it
// back: heads of frames, frames of unknown types, what comes after the exchange reads no more. A long stream
// would stall otherwise.
#include "http/h3_for_test.h"

#include <gtest/gtest.h>

namespace sallyport::http {
namespace {

using namespace test;

constexpr std::size_t window = 32 * 1024;

/// A server whose windows do not grow, so that any credit that is not given back is missed soon.
struct NarrowServer : RawClient {
  NarrowServer() {
    auto& config = server_options.config;
    config.initial_stream_window = config.maximum_stream_window = window;
    config.initial_connection_window = config.maximum_connection_window = window;
  }
};

std::string repeated(const std::string& text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

TEST(H3Credit, HeadsOfManySmallDataFrames) {
  NarrowServer pair;
  ASSERT_TRUE(pair.meet());
  const std::size_t count = 2 * window;
  pair.say(
      headers(request_lines({{"content-length", std::to_string(count)}})) + repeated(data_frame("x"), count),
      true);
  ASSERT_TRUE(
      pair.run_until([&] { return !pair.requests.requests.empty() && pair.requests.last().handler.ended; }));
  EXPECT_EQ(pair.requests.last().handler.body.size(), count);
}

TEST(H3Credit, FramesOfUnknownTypes) {
  NarrowServer pair;
  ASSERT_TRUE(pair.meet());
  const std::string unknown = frame(0x21, std::string(8 * 1024, 'u'));
  pair.say(headers(request_lines({{"content-length", "4"}})) + repeated(unknown, 12) + data_frame("body"),
           true);
  ASSERT_TRUE(
      pair.run_until([&] { return !pair.requests.requests.empty() && pair.requests.last().handler.ended; }));
  EXPECT_EQ(pair.requests.last().handler.body, "body");
}

TEST(H3Credit, WhatComesAfterNobodyReadsAnyMore) {
  NarrowServer pair;
  pair.requests.then = [](Exchange& exchange, RecordingExchange&) {
    exchange.respond({.status = 200}, true);
    exchange.stop_reading();
  };
  ASSERT_TRUE(pair.meet());
  // The body is in the datagram of the head, and counts against the connection's window all the same.
  for (std::size_t i = 1; i <= 2 * window / 900; ++i) {
    pair.say(headers(request_lines()) + data_frame(std::string(900, 'x')), true);
    ASSERT_TRUE(pair.run_until([&] { return pair.requests.requests.size() == i; })) << i;
  }
}

}  // namespace
}  // namespace sallyport::http
