#include "masque/pump.h"

#include "masque/doubles_for_test.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::masque {
namespace {

constexpr std::size_t high_water = net::ByteStream::high_water;

struct SourceForTest final : PumpSource {
  void set_reading(bool on) override { reading = on; }
  void consume(std::size_t bytes) override { consumed += bytes; }
  std::size_t consumed = 0;
  bool reading = false;
};

struct SinkForTest final : PumpSink {
  using PumpSink::write;
  void write(Bytes bytes) override {
    got += as_text(bytes);
    if (on_write) on_write();
  }
  bool full() override { return is_full; }
  void finish() override {
    ++finishes;
    if (on_finish) on_finish();
  }
  void abort(const Error& error) override {
    ++aborts;
    why = error;
    if (on_abort) on_abort();
  }
  std::function<void()> on_write, on_finish, on_abort;
  std::string got;
  Error why;
  int finishes = 0, aborts = 0;
  bool is_full = false;
};

class PumpTest : public testing::Test {
 protected:
  void take(std::string_view bytes) { pump->take(as_bytes(bytes)); }

  SourceForTest source;
  SinkForTest sink;
  std::unique_ptr<Pump> pump = std::make_unique<Pump>(source, sink);
};

TEST_F(PumpTest, HoldsWithItsCreditWhatComesBeforeTheStart) {
  take("one ");
  take("two ");
  pump->end();
  EXPECT_TRUE(pump->holds());
  EXPECT_EQ(sink.got, "");
  EXPECT_EQ(source.consumed, 0u);
  pump->start();
  EXPECT_EQ(sink.got, "one two ");
  EXPECT_EQ(source.consumed, 8u);
  EXPECT_EQ(sink.finishes, 1);
  EXPECT_FALSE(pump->holds());
}

TEST_F(PumpTest, TheSourceReadsFromTheStartUnlessTheSinkIsFull) {
  pump->start();
  EXPECT_TRUE(source.reading);
  sink.is_full = true;
  Pump another(source, sink);
  source.reading = false;
  another.start();
  EXPECT_FALSE(source.reading);
  sink.is_full = false;
  another.resume();
  EXPECT_TRUE(source.reading);
}

TEST_F(PumpTest, AFullSinkHoldsTheSourceBackUntilItIsWritable) {
  pump->start();
  take("one ");
  sink.is_full = true;
  take("two ");
  take("on its way ");  // what a source hands over that is held back by its credit only
  EXPECT_FALSE(source.reading);
  EXPECT_EQ(source.consumed, 4u);
  EXPECT_EQ(sink.got, "one two on its way ");
  pump->resume();
  EXPECT_FALSE(source.reading) << "it is full again already";
  sink.is_full = false;
  pump->resume();
  EXPECT_TRUE(source.reading);
  EXPECT_EQ(source.consumed, sink.got.size());
}

TEST_F(PumpTest, PausedItHoldsAndThenGoesOnInOrder) {
  pump->start();
  take("one ");
  pump->pause();
  EXPECT_FALSE(source.reading);
  take("two ");
  pump->end();
  EXPECT_EQ(sink.got, "one ");
  pump->start();
  EXPECT_EQ(sink.got, "one two ");
  EXPECT_EQ(source.consumed, 8u);
  EXPECT_EQ(sink.finishes, 1);
}

TEST_F(PumpTest, PausedByTheSinkItGivesNoMore) {
  take("one ");
  take("two ");
  sink.on_write = [&] { pump->pause(); };
  pump->start();
  EXPECT_EQ(sink.got, "one ");
  EXPECT_EQ(source.consumed, 4u);
  EXPECT_TRUE(pump->holds());
  sink.on_write = nullptr;
  take("three");  // may not overtake
  pump->start();
  EXPECT_EQ(sink.got, "one two three");
  EXPECT_EQ(source.consumed, 13u);
}

TEST_F(PumpTest, WhatComesWhileItGivesWhatItHoldsFollowsThat) {
  take("one ");
  take("two ");
  sink.on_write = [&] {
    if (sink.got == "one ") take("three");
  };
  pump->start();
  EXPECT_EQ(sink.got, "one two three");
  EXPECT_EQ(source.consumed, 13u);
}

TEST_F(PumpTest, EndsOnce) {
  pump->start();
  pump->end();
  pump->end();
  pump->pause();
  pump->start();
  EXPECT_EQ(sink.finishes, 1);
}

TEST_F(PumpTest, AbortDropsWhatIsHeldAndTellsTheSinkOnce) {
  take("held");
  pump->end();
  pump->abort({ErrorKind::closed, "the source broke"});
  pump->abort({ErrorKind::closed, "again"});
  EXPECT_EQ(sink.aborts, 1);
  EXPECT_EQ(sink.why.message, "the source broke");
  EXPECT_EQ(source.consumed, 4u);
  pump->start();
  EXPECT_EQ(sink.got, "");
  EXPECT_EQ(sink.finishes, 0);
}

TEST_F(PumpTest, StoppedItLetsGoWhatCameAndComes) {
  sink.is_full = true;
  take("held ");
  pump->start();
  take("owed ");
  EXPECT_EQ(source.consumed, 0u);
  pump->stop();
  EXPECT_EQ(source.consumed, 10u);
  take("late");
  EXPECT_EQ(source.consumed, 14u);
  EXPECT_EQ(sink.got, "held owed ");
  pump->end();
  pump->resume();
  pump->abort({ErrorKind::closed, "late"});
  EXPECT_EQ(sink.finishes + sink.aborts, 0);
}

TEST_F(PumpTest, StoppedByTheSinkItReturnsEveryByteOnce) {
  for (const bool held : {true, false}) {
    pump = std::make_unique<Pump>(source, sink);
    source.consumed = 0;
    sink.on_write = [&] { pump->stop(); };
    if (!held) pump->start();
    take("one ");
    take("two ");
    pump->start();
    EXPECT_EQ(source.consumed, 8u);
    EXPECT_EQ(sink.got, "one ");
    sink.got.clear();
  }
}

TEST_F(PumpTest, MayBeDestroyedByAnyCallToTheSink) {
  const auto destroy = [&] { pump.reset(); };
  sink.on_write = sink.on_finish = sink.on_abort = destroy;
  pump->start();
  take("one ");
  EXPECT_EQ(pump, nullptr);

  pump = std::make_unique<Pump>(source, sink);
  take("two ");
  take("never given");
  pump->end();
  pump->start();
  EXPECT_EQ(pump, nullptr);
  EXPECT_EQ(sink.got, "one two ");
  EXPECT_EQ(sink.finishes, 0);

  pump = std::make_unique<Pump>(source, sink);
  pump->end();
  pump->start();
  EXPECT_EQ(pump, nullptr);

  pump = std::make_unique<Pump>(source, sink);
  pump->abort({ErrorKind::closed, "broke"});
  EXPECT_EQ(pump, nullptr);
}

/// An exchange and a stream with a Pump each way, as a tunnel has them; `peer` is the stream's other end.
class PumpedTunnelTest : public testing::Test, public net::ByteStreamReceiver, public http::ExchangeHandler {
 protected:
  PumpedTunnelTest() : exchange(ask()) {
    std::tie(stream, peer) = net::make_memory_streams(timers);
    stream->set_receiver(this);
    peer->set_receiver(&at_peer);
    exchange_end.attach(exchange);
    stream_end.attach(*stream);
    up.start();
    down.start();
  }
  ExchangeForTest& ask() {
    connection.request({}, *this, false);
    return connection.last();
  }

  void on_body(http::Exchange&, Bytes body) override { up.take(body); }
  void on_end(http::Exchange&) override { up.end(); }
  void on_writable(http::Exchange&) override { down.resume(); }
  void on_closed(http::Exchange&, const Error* why) override {
    exchange_end.detach();
    if (why != nullptr) up.abort(*why);
    down.stop();
  }
  void on_bytes(Bytes bytes) override { down.take(bytes); }
  void on_end() override { down.end(); }
  void on_stream_writable() override { up.resume(); }
  void on_stream_error(const Error& why) override {
    down.abort(why);
    up.stop();
  }

  struct Peer final : net::ByteStreamReceiver {
    void on_bytes(Bytes bytes) override { received += bytes.size(); }
    void on_end() override { ended = true; }
    void on_stream_error(const Error&) override { broken = true; }
    std::size_t received = 0;
    bool ended = false, broken = false;
  };

  net::Timers timers{Time{1000s}};
  ConnectionForTest connection{timers};
  Peer at_peer;
  std::unique_ptr<net::ByteStream> stream, peer;
  ExchangeForTest& exchange;
  ExchangeEnd exchange_end{http::ResetCode::connect_error};
  StreamEnd stream_end;
  Pump up{exchange_end, stream_end}, down{stream_end, exchange_end};
};

TEST_F(PumpedTunnelTest, WhatWaitsForTheStreamIsBoundedByTheCredit) {
  const std::string block(64 * 1024, 'x');
  std::size_t sent = 0;
  // The peer sends as long as it has credit, in a window of one MiB.
  const auto send = [&] {
    for (; sent + block.size() <= exchange.consumed + 1024 * 1024; sent += block.size())
      exchange.receive_body(block);
  };
  send();
  EXPECT_EQ(exchange.consumed, high_water) << "what the stream took while it was not full";
  EXPECT_EQ(stream->queued_bytes(), high_water + 1024 * 1024);
  timers.run_deferred();
  EXPECT_EQ(exchange.consumed, high_water);
  peer->set_reading(true);
  timers.run_deferred();
  EXPECT_EQ(exchange.consumed, sent);
  EXPECT_EQ(at_peer.received, sent);
  const std::size_t before = sent;
  send();
  timers.run_deferred();
  EXPECT_GT(sent, before);
  EXPECT_EQ(at_peer.received, sent);
}

TEST_F(PumpedTunnelTest, AFullExchangeStopsTheStreamsReading) {
  exchange.queued = high_water + 1;
  peer->write(as_bytes(std::string_view("one")));
  timers.run_deferred();
  peer->write(as_bytes(std::string_view("two")));
  timers.run_deferred();
  EXPECT_EQ(exchange.body, "one");
  EXPECT_EQ(peer->queued_bytes(), 3u);
  exchange.queued = 0;
  on_writable(exchange);
  timers.run_deferred();
  EXPECT_EQ(exchange.body, "onetwo");
}

TEST_F(PumpedTunnelTest, TheExchangeMayEndFirst) {
  peer->set_reading(true);
  exchange.receive_body("last");
  exchange.handler()->on_end(exchange);
  timers.run_deferred();
  EXPECT_EQ(at_peer.received, 4u);
  EXPECT_TRUE(at_peer.ended);
  peer->write(as_bytes(std::string_view("still")));
  timers.run_deferred();
  EXPECT_EQ(exchange.body, "still");
  EXPECT_FALSE(exchange.finished);
}

TEST_F(PumpedTunnelTest, TheStreamMayEndFirst) {
  peer->set_reading(true);
  peer->write(as_bytes(std::string_view("last")));
  peer->finish();
  timers.run_deferred();
  EXPECT_EQ(exchange.body, "last");
  EXPECT_TRUE(exchange.finished);
  exchange.receive_body("still");
  timers.run_deferred();
  EXPECT_EQ(at_peer.received, 5u);
  EXPECT_FALSE(at_peer.ended);
}

TEST_F(PumpedTunnelTest, ABrokenStreamResetsTheExchange) {
  peer->close();
  timers.run_deferred();
  EXPECT_EQ(exchange.resets, std::vector{http::ResetCode::connect_error});
  ASSERT_TRUE(exchange.reset_why);
  exchange.receive_body("late");
  EXPECT_EQ(exchange.consumed, 4u);
}

TEST_F(PumpedTunnelTest, AResetExchangeBreaksTheStream) {
  peer->set_reading(true);
  const Error why{ErrorKind::cancelled, "reset"};
  ConnectionForTest::close_exchange(exchange, &why);
  timers.run_deferred();
  EXPECT_TRUE(at_peer.broken);
  EXPECT_FALSE(at_peer.ended);
}

}  // namespace
}  // namespace sallyport::masque
