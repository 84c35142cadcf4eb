#include "net/proxy_header_reading.h"

#include "net/memory_stream.h"
#include "net/proxy_header_for_test.h"

#include <memory>
#include <optional>
#include <string>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

const std::string v1 = "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n";
const std::string v2 = test::proxy_v2(0x21, 0x11, "\xc0\x00\x02\x01\xc6\x33\x64\x01\xdc\x04\x01\xbb"s);
const std::string hello = "\x16\x03\x01\x00\x02\x00\xff what follows"s;

struct Inbox final : ByteStreamReceiver {
  void on_bytes(Bytes bytes) override {
    received += as_text(bytes);
    if (when_bytes) when_bytes();
  }
  void on_end() override { ++ends; }
  void on_stream_writable() override { ++writables; }
  void on_stream_error(const Error& why) override { error = why; }
  std::string received;
  int ends = 0, writables = 0;
  std::optional<Error> error;
  std::function<void()> when_bytes;
};

class ProxyHeaderReadingTest : public testing::Test {
 protected:
  void open(std::size_t piece = 64 * 1024) {
    std::unique_ptr<ByteStream> far;
    std::tie(client, far) = make_memory_streams(timers, {.piece = piece});
    reading = std::make_unique<ProxyHeaderReading>(timers, std::move(far), 10s, [this](auto result) {
      ++calls;
      reading.reset();
      if (result) {
        names_client = result->names_client;
        stream = std::move(result->stream);
      } else {
        error = result.error();
      }
    });
  }
  void settle() {
    while (timers.has_deferred()) timers.run_deferred();
  }
  void say(const std::string& bytes) {
    client->write(as_bytes(bytes));
    settle();
  }
  void read() {
    stream->set_receiver(&inbox);
    stream->set_reading(true);
    settle();
  }
  std::string peer() const { return stream->net_path().remote.to_string(); }

  Timers timers{Time{1000s}};
  Inbox inbox;
  std::unique_ptr<ByteStream> client, stream;
  std::unique_ptr<ProxyHeaderReading> reading;
  std::optional<Error> error;
  bool names_client = false;
  int calls = 0;
};

TEST_F(ProxyHeaderReadingTest, WhatFollowsTheHeaderIsTheClients) {
  for (const std::string& header : {v1, v2}) {
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{7}, header.size(), header.size() + 3, std::size_t{65536}}) {
      open(piece);
      say(header + hello);
      ASSERT_TRUE(stream) << piece;
      EXPECT_TRUE(names_client);
      EXPECT_EQ(peer(), "192.0.2.1:56324");
      EXPECT_EQ(stream->net_path().local, SocketAddress()) << "our own address stays";
      inbox.received.clear();
      read();
      EXPECT_EQ(inbox.received, hello) << piece;
      say(" and more");
      EXPECT_EQ(inbox.received, hello + " and more");
      client->finish();
      settle();
      EXPECT_EQ(std::exchange(inbox.ends, 0), 1);
      stream.reset();
    }
  }
}

TEST_F(ProxyHeaderReadingTest, AHeaderWithoutAClientKeepsTheStreamsOwnAddress) {
  for (const std::string& header : {"PROXY UNKNOWN\r\n"s, test::proxy_v2(0x20, 0, "")}) {
    open();
    say(header + hello);
    ASSERT_TRUE(stream);
    EXPECT_FALSE(names_client);
    EXPECT_EQ(stream->net_path(), NetPath{});
    inbox.received.clear();
    read();
    EXPECT_EQ(inbox.received, hello);
    stream.reset();
  }
}

TEST_F(ProxyHeaderReadingTest, AnythingElseIsAnError) {
  for (const std::string& bytes :
       {hello, "GET / HTTP/1.1\r\n\r\n"s, "PROXY TCP4 nonsense\r\n"s, std::string(100'000, '\r')}) {
    open(1000);
    error.reset();
    client->write(as_bytes(bytes));
    EXPECT_FALSE(error) << "not from within";
    settle();
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind, ErrorKind::protocol);
    EXPECT_FALSE(stream);
  }
  EXPECT_EQ(calls, 4);
}

TEST_F(ProxyHeaderReadingTest, GivesUpAfterItsTimeout) {
  open();
  say(v1.substr(0, v1.size() - 1));
  timers.advance(Time{1000s} + 9999ms);
  settle();
  EXPECT_FALSE(error);
  timers.advance(Time{1000s} + 10001ms);
  settle();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::timeout);
  EXPECT_EQ(error->message, "the PROXY header did not come in time");
}

TEST_F(ProxyHeaderReadingTest, HasNoTimeoutOnceTheHeaderIsThere) {
  open();
  say(v1);
  timers.advance(Time{1000s} + 60s);
  settle();
  EXPECT_FALSE(error);
  EXPECT_EQ(calls, 1);
}

TEST_F(ProxyHeaderReadingTest, SaysWhenTheStreamEndsBeforeIt) {
  open();
  say(v2.substr(0, 20));
  client->finish();
  settle();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::closed);
  EXPECT_THAT(error->message, HasSubstr("ended before its PROXY header was complete"));
  error.reset();
  open();
  client.reset();
  settle();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::closed);
}

TEST_F(ProxyHeaderReadingTest, IsGivenUpByDestroyingIt) {
  open();
  Inbox at_client;
  client->set_receiver(&at_client);
  reading.reset();
  say(v1);
  EXPECT_EQ(calls, 0);
  EXPECT_TRUE(at_client.error) << "the stream is closed";
}

TEST_F(ProxyHeaderReadingTest, WhatFollowsWaitsForAReceiverThatReads) {
  open();
  say(v1 + "first");
  ASSERT_TRUE(stream);
  stream->set_reading(true);
  settle();
  stream->set_reading(false);
  stream->set_receiver(&inbox);
  say("second");
  EXPECT_EQ(inbox.received, "");
  // The receiver stops at what came first.
  inbox.when_bytes = [&] { stream->set_reading(false); };
  stream->set_reading(true);
  stream->set_reading(false);
  settle();
  EXPECT_EQ(inbox.received, "");
  stream->set_reading(true);
  settle();
  EXPECT_EQ(inbox.received, "first");
  stream->set_reading(true);
  settle();
  EXPECT_EQ(inbox.received, "firstsecond");
}

TEST_F(ProxyHeaderReadingTest, MayBeClosedAsWhatFollowsComes) {
  open();
  Inbox at_client;
  client->set_receiver(&at_client);
  say(v1 + "first");
  say("second");
  inbox.when_bytes = [&] { stream->close(); };
  read();
  EXPECT_EQ(inbox.received, "first");
  EXPECT_FALSE(inbox.error);
  EXPECT_TRUE(at_client.error);
}

TEST_F(ProxyHeaderReadingTest, WritesBeforeItReads) {
  open();
  Inbox at_client;
  client->set_receiver(&at_client);
  say(v1 + "first");
  stream->set_receiver(&inbox);
  stream->write(as_bytes("answer"));
  stream->write(Chunk::allocate(ByteStream::high_water));
  settle();
  EXPECT_GT(stream->queued_bytes(), ByteStream::high_water);
  client->set_reading(true);
  settle();
  EXPECT_EQ(at_client.received.size(), ByteStream::high_water + 6);
  EXPECT_EQ(inbox.writables, 1);
  stream->finish();
  settle();
  EXPECT_EQ(at_client.ends, 1);
  EXPECT_EQ(inbox.received, "");
}

TEST_F(ProxyHeaderReadingTest, TellsOfAStreamThatFailsBeforeItReads) {
  open();
  say(v1 + "first");
  stream->set_receiver(&inbox);
  client.reset();
  settle();
  EXPECT_TRUE(inbox.error);
  stream->set_reading(true);
  settle();
  EXPECT_EQ(inbox.received, "") << "nothing follows an error";
}

/// Fails in the turn in which its header is complete.
class FailingStream final : public ByteStream {
 public:
  void set_receiver(ByteStreamReceiver* its) override { receiver = its; }
  void write(Chunk) override {}
  void write(Bytes) override {}
  std::size_t queued_bytes() const override { return 0; }
  void finish() override {}
  void close() override {}
  void set_reading(bool) override {}
  NetPath net_path() const override { return {}; }
  ByteStreamReceiver* receiver = nullptr;
};

TEST_F(ProxyHeaderReadingTest, AStreamThatFailsBehindItsHeaderIsNotHandedOut) {
  auto failing = std::make_unique<FailingStream>();
  FailingStream& raw = *failing;
  ProxyHeaderReading one(timers, std::move(failing), 10s, [this](auto result) {
    ASSERT_FALSE(result);
    error = result.error();
  });
  raw.receiver->on_bytes(as_bytes(v1));
  raw.receiver->on_stream_error({ErrorKind::refused, "it failed"});
  settle();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->message, "it failed");
}

}  // namespace
}  // namespace sallyport::net
