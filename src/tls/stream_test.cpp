#include "tls/stream.h"

#include "tls/test_link.h"

#include <algorithm>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::tls {
namespace {

using testing::HasSubstr;

/// Stands between a Stream and its transport: counts what passes, and can spoil it.
class Tap final : public net::ByteStream, private net::ByteStreamReceiver {
 public:
  explicit Tap(std::unique_ptr<net::ByteStream> below) : below_(std::move(below)) {
    below_->set_receiver(this);
  }
  ~Tap() override { below_->set_receiver(nullptr); }
  void set_receiver(net::ByteStreamReceiver* receiver) override { above_ = receiver; }
  void write(Chunk chunk) override {
    ++writes;
    written += chunk.size();
    below_->write(std::move(chunk));
  }
  void write(Bytes bytes) override { write(Chunk::copy_of(bytes)); }
  std::size_t queued_bytes() const override { return below_->queued_bytes(); }
  void finish() override { below_->finish(); }
  void close() override { below_->close(); }
  void set_reading(bool on) override { below_->set_reading(on); }
  net::NetPath net_path() const override { return below_->net_path(); }

  std::size_t writes = 0, written = 0;
  bool spoil = false;

 private:
  void on_bytes(Bytes bytes) override {
    std::vector<std::uint8_t> copy(bytes.begin(), bytes.end());
    if (spoil) copy.back() ^= 1;
    above_->on_bytes(copy);
  }
  void on_end() override { above_->on_end(); }
  void on_stream_writable() override { above_->on_stream_writable(); }
  void on_stream_error(const Error& why) override { above_->on_stream_error(why); }
  std::unique_ptr<net::ByteStream> below_;
  net::ByteStreamReceiver* above_ = nullptr;
};

std::string noise(std::size_t size) {
  std::minstd_rand random(static_cast<unsigned>(size));
  std::string text(size, '\0');
  std::ranges::generate(text, [&] { return static_cast<char>(random()); });
  return text;
}

struct TlsStream : testing::Test {
  explicit TlsStream(std::size_t piece = 64 * 1024) : link(piece) {
    auto tap = std::make_unique<Tap>(std::move(link.server_transport));
    server_tap = tap.get();
    link.server_transport = std::move(tap);
    link.shake_hands();
    link.start_reading();
  }
  Link link;
  Tap* server_tap = nullptr;
};

struct TlsStreamInPieces : TlsStream, testing::WithParamInterface<std::size_t> {
  TlsStreamInPieces() : TlsStream(GetParam()) {}
};

TEST_P(TlsStreamInPieces, CarriesBytesOfEverySizeBothWays) {
  std::string sent;
  for (const std::size_t size : {1u, 9u, 16383u, 16384u, 16385u, 9u, 100'000u, 3u, 40'000u}) {
    sent += noise(size);
    link.client->write(Chunk::copy_of(as_bytes(noise(size))));
  }
  link.server->write(as_bytes("to the client"));
  link.run();
  EXPECT_TRUE(link.server_inbox.received == sent);
  EXPECT_EQ(link.client_inbox.received, "to the client");
  EXPECT_EQ(link.client->queued_bytes(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Pieces, TlsStreamInPieces, testing::Values(1, 5, 1400, 16 * 1024, 64 * 1024));

TEST_F(TlsStream, MakesFullRecordsAndFewWritesOfWhatOneTurnWrote) {
  server_tap->writes = server_tap->written = 0;
  constexpr std::size_t frames = 100, frame = 1000;
  for (std::size_t i = 0; i < frames; ++i) link.server->write(Chunk::copy_of(as_bytes(noise(frame))));
  link.run();
  ASSERT_EQ(link.client_inbox.received.size(), frames * frame);
  EXPECT_LE(server_tap->writes, 2u);
  constexpr std::size_t records = (frames * frame + 16383) / 16384;
  EXPECT_LE(server_tap->written, frames * frame + records * 22);
}

TEST_F(TlsStream, ASmallAnswerIsOneSmallWrite) {
  server_tap->writes = server_tap->written = 0;
  link.server->write(as_bytes("HTTP/2 frame header"));
  link.server->write(as_bytes("and its payload"));
  link.run();
  EXPECT_EQ(server_tap->writes, 1u);
  EXPECT_EQ(server_tap->written, 19u + 15u + 22u);
}

TEST_F(TlsStream, HoldsTheWriterBackWhileThePeerDoesNotRead) {
  link.server->set_reading(false);
  constexpr std::size_t piece = 16'000;
  std::size_t written = 0;
  while (link.client->queued_bytes() <= net::ByteStream::high_water) {
    link.client->write(Chunk::copy_of(as_bytes(noise(piece))));
    written += piece;
    link.run();
    ASSERT_LT(written, 2 * net::ByteStream::high_water) << "nothing holds the writer back";
  }
  EXPECT_EQ(link.server_inbox.received.size(), 0u);
  EXPECT_EQ(link.client_inbox.writables, 0);
  link.server->set_reading(true);
  link.run();
  EXPECT_EQ(link.server_inbox.received.size(), written);
  EXPECT_EQ(link.client_inbox.writables, 1);
}

TEST_F(TlsStream, TellsTheWriterAlsoWhenOnlyTheRecordsWereOverTheMark) {
  link.server->set_reading(false);
  link.client->write(Chunk::copy_of(as_bytes(noise(net::ByteStream::high_water - 100))));
  EXPECT_LE(link.client->queued_bytes(), net::ByteStream::high_water);
  link.run();
  ASSERT_GT(link.client->queued_bytes(), net::ByteStream::high_water);
  EXPECT_EQ(link.client_inbox.writables, 0);
  link.server->set_reading(true);
  link.run();
  EXPECT_EQ(link.client_inbox.writables, 1);
}

TEST_F(TlsStream, StopsInTheMiddleOfWhatCameAndGoesOnWhenAsked) {
  // The receiver stops at everything it gets, a record or a few; later bytes are kept.
  link.server_inbox.when_bytes = [this] { link.server->set_reading(false); };
  const std::string sent = noise(60'000);
  link.client->write(Chunk::copy_of(as_bytes(sent)));
  link.client->finish();
  link.run();
  EXPECT_GE(link.server_inbox.received.size(), 16'384u);
  EXPECT_LT(link.server_inbox.received.size(), sent.size());
  int turns = 1;
  for (; link.server_inbox.ends == 0 && turns < 10; ++turns) {
    link.server->set_reading(true);
    link.run();
  }
  EXPECT_TRUE(link.server_inbox.received == sent);
  EXPECT_EQ(link.server_inbox.ends, 1);
  EXPECT_LE(turns, 5);
}

TEST_F(TlsStream, EndsInOrderEachDirectionByItself) {
  link.client->write(as_bytes("question"));
  link.client->finish();
  link.run();
  EXPECT_EQ(link.server_inbox.received, "question");
  EXPECT_EQ(link.server_inbox.ends, 1);
  EXPECT_EQ(link.client_inbox.ends, 0);
  link.server->write(as_bytes("answer"));
  link.server->finish();
  link.run();
  EXPECT_EQ(link.client_inbox.received, "answer");
  EXPECT_EQ(link.client_inbox.ends, 1);
  EXPECT_FALSE(link.client_inbox.error || link.server_inbox.error);
}

TEST_F(TlsStream, ACutConnectionIsNoEnd) {
  link.client->write(as_bytes("half of it"));
  link.run();
  link.client.reset();  // no close_notify
  link.run();
  EXPECT_EQ(link.server_inbox.ends, 0);
  ASSERT_TRUE(link.server_inbox.error);
  EXPECT_EQ(link.server_inbox.error->kind, ErrorKind::closed);
}

TEST_F(TlsStream, ATransportThatEndsWithoutCloseNotifyIsNoEnd) {
  Link other;
  net::ByteStream* raw = other.client_transport.get();
  other.shake_hands();
  other.start_reading();
  other.client->write(as_bytes("half of it"));
  other.run();
  raw->finish();
  other.run();
  EXPECT_EQ(other.server_inbox.received, "half of it");
  EXPECT_EQ(other.server_inbox.ends, 0);
  ASSERT_TRUE(other.server_inbox.error);
  EXPECT_EQ(other.server_inbox.error->kind, ErrorKind::closed);
  EXPECT_THAT(other.server_inbox.error->message, HasSubstr("close_notify"));
}

TEST_F(TlsStream, SpoiledBytesEndItWithAnAlert) {
  server_tap->spoil = true;
  link.client->write(as_bytes("question"));
  link.run();
  EXPECT_EQ(link.server_inbox.received, "");
  ASSERT_TRUE(link.server_inbox.error);
  EXPECT_EQ(link.server_inbox.error->kind, ErrorKind::tls);
  ASSERT_TRUE(link.client_inbox.error);
  EXPECT_THAT(link.client_inbox.error->message,
              HasSubstr("the peer closed the connection with a TLS alert: bad record MAC (alert 20)"));
  EXPECT_EQ(link.client_inbox.error->code, 20u) << "bad_record_mac";
}

TEST_F(TlsStream, MayBeClosedFromInsideOnBytesAndDestroyedFromInsideItsEnd) {
  link.server_inbox.when_bytes = [this] { link.server->close(); };
  link.client_inbox.when_over = [this] { link.client.reset(); };
  link.client->write(Chunk::copy_of(as_bytes(noise(50'000))));
  link.run();
  EXPECT_GE(link.server_inbox.received.size(), 16'384u);
  EXPECT_LT(link.server_inbox.received.size(), 50'000u);
  EXPECT_FALSE(link.server_inbox.error);
  EXPECT_TRUE(link.client_inbox.error);
  EXPECT_FALSE(link.client);
  link.server->write(as_bytes("nothing comes of this"));
  link.run();
}

TEST_F(TlsStream, MayBeDestroyedFromInsideItsOrderlyEnd) {
  link.server_inbox.when_over = [this] { link.server.reset(); };
  link.client->finish();
  link.run();
  EXPECT_EQ(link.server_inbox.ends, 1);
  EXPECT_FALSE(link.server);
}

TEST_F(TlsStream, RunsOverItself) {
  Link inner;
  inner.accepting = accept(link.timers, std::move(link.server), inner.server_options,
                           [&](auto result) { inner.server = std::move(*result); });
  inner.connecting = connect(link.timers, std::move(link.client), inner.client_options,
                             [&](auto result) { inner.client = std::move(*result); });
  link.run();
  ASSERT_TRUE(inner.client && inner.server);
  inner.client->set_receiver(&inner.client_inbox);
  inner.server->set_receiver(&inner.server_inbox);
  inner.client->set_reading(true);
  inner.server->set_reading(true);
  const std::string sent = noise(200'000);
  inner.client->write(Chunk::copy_of(as_bytes(sent)));
  inner.client->finish();
  link.run();
  EXPECT_TRUE(inner.server_inbox.received == sent);
  EXPECT_EQ(inner.server_inbox.ends, 1);
  inner.accepting.reset();
  inner.connecting.reset();
  inner.client.reset();
  inner.server.reset();
}

}  // namespace
}  // namespace sallyport::tls
