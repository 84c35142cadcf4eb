#include "net/tcp.h"

#include "base/sanitized_for_test.h"
#include "base/unique_fd.h"
#include "net/run_until_for_test.h"

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

void run_until(EventLoop& loop, const std::function<bool()>& done) {
  run_until(loop, done, 60s);
}

struct Receiver final : ByteStreamReceiver {
  std::string got;
  bool ended = false;
  int writable = 0;
  std::string error;
  std::function<void(Bytes)> bytes = [this](Bytes more) { got += as_text(more); };
  std::function<void()> end = [] {};
  std::function<void()> on_writable = [] {};

  void on_bytes(Bytes more) override { bytes(more); }
  void on_end() override { ended = true, end(); }
  void on_stream_writable() override { ++writable, on_writable(); }
  void on_stream_error(const Error& why) override { error = why.message; }
};

/// A listener and one connection through it, both ends in the same loop.
struct Connection {
  EventLoop loop;
  std::unique_ptr<TcpListener> listener;
  std::unique_ptr<ByteStream> client;
  std::unique_ptr<ByteStream> server;
  Receiver at_client;
  Receiver at_server;

  explicit Connection(const char* address = "127.0.0.1:0") {
    listener = std::move(
        *TcpListener::listen(loop, SocketAddress::parse(address).value(), {},
                             [&](std::unique_ptr<ByteStream> stream) { server = std::move(stream); }));
    SocketAddress to = listener->local();
    if (to.ip().is_unspecified()) to = SocketAddress(IpAddress::parse("127.0.0.1").value(), to.port());
    const auto connecting = tcp_connect(loop, to, 60s, {}, [&](Result<std::unique_ptr<ByteStream>> stream) {
      if (stream) client = std::move(*stream);
    });
    run_until(loop, [&] { return client != nullptr && server != nullptr; });
    if (!client || !server) throw std::runtime_error("no connection");
    client->set_receiver(&at_client);
    server->set_receiver(&at_server);
  }
};

Chunk filled(std::size_t size, char value) {
  Chunk chunk = Chunk::allocate(size);
  std::ranges::fill(chunk.mutable_bytes(), static_cast<std::uint8_t>(value));
  return chunk;
}

TEST(Tcp, EchoesInOrderWhateverThePiecesAre) {
  Connection both("[::]:0");  // the wildcard takes IPv4 too
  both.at_server.bytes = [&](Bytes bytes) { both.server->write(bytes); };
  std::string sent;
  for (int i = 0; i < 300; ++i) {
    const std::string piece(static_cast<std::size_t>(1 + i * 37 % 9000), static_cast<char>('a' + i % 26));
    if (i % 3 == 0)
      both.client->write(Chunk::copy_of(as_bytes(piece)));
    else
      both.client->write(as_bytes(piece));
    sent += piece;
  }
  EXPECT_EQ(both.client->queued_bytes(), sent.size());  // nothing leaves before the turn's end
  run_until(both.loop, [&] { return both.at_client.got.size() == sent.size(); });
  EXPECT_EQ(both.at_client.got, sent);
  EXPECT_EQ(both.client->queued_bytes(), 0u);
  EXPECT_EQ(both.client->net_path().local, both.server->net_path().remote.ip().is_v4()
                                               ? both.server->net_path().remote
                                               : SocketAddress(both.server->net_path().remote.ip().unmapped(),
                                                               both.server->net_path().remote.port()));
}

TEST(Tcp, EachDirectionEndsByItself) {
  Connection both;
  both.client->write(as_bytes("request"));
  both.client->finish();
  both.client->write(as_bytes("too late"));
  run_until(both.loop, [&] { return both.at_server.ended; });
  EXPECT_EQ(both.at_server.got, "request");
  both.server->write(filled(100000, 'r'));
  both.server->finish();
  run_until(both.loop, [&] { return both.at_client.ended; });
  EXPECT_EQ(both.at_client.got, std::string(100000, 'r'));
  EXPECT_EQ(both.at_client.error + both.at_server.error, "");
}

TEST(Tcp, ASlowReaderHoldsTheWriterBackWithoutLoss) {
  Connection both;
  both.server->set_reading(false);
  std::size_t written = 0;
  const auto fill = [&] {
    while (both.client->queued_bytes() <= ByteStream::high_water && written < 64 * 1024 * 1024) {
      both.client->write(filled(64 * 1024, static_cast<char>('a' + written / 65536 % 26)));
      written += 64 * 1024;
    }
  };
  both.at_client.on_writable = fill;
  fill();
  const int at_first = both.at_client.writable;
  for (std::size_t before = 0; before != written;) {  // until nothing moves any more
    before = written;
    run_turns(both.loop, 50);
  }
  EXPECT_LT(written, 32u * 1024 * 1024);  // the kernel's buffers and one high-water mark
  EXPECT_LE(both.client->queued_bytes(), ByteStream::high_water + 64 * 1024);
  EXPECT_TRUE(both.at_server.got.empty());
  EXPECT_GT(both.at_client.writable, at_first);

  std::size_t read = 0;
  bool in_order = true;
  both.at_server.bytes = [&](Bytes bytes) {
    for (const std::uint8_t byte : bytes) in_order = in_order && byte == 'a' + read++ / 65536 % 26;
  };
  both.server->set_reading(true);
  run_until(both.loop, [&] { return read == 64u * 1024 * 1024; });
  EXPECT_TRUE(in_order);
}

TEST(Tcp, WhatAReceiverSharesStaysAsItWas) {
  Connection both;
  std::vector<Chunk> kept;
  std::size_t size = 0;
  std::size_t copied = 0;
  both.at_server.bytes = [&](Bytes bytes) {
    size += bytes.size();
    kept.push_back(Chunk::share(bytes));
    if (kept.back().data() != bytes.data()) copied += bytes.size();
  };
  std::string sent;
  for (char c = 'a'; c <= 'p'; ++c) {
    both.client->write(filled(100000, c));
    sent.append(100000, c);
  }
  run_until(both.loop, [&] { return size == sent.size(); });
  std::string got;
  for (const Chunk& piece : kept) got += as_text(piece.bytes());
  EXPECT_EQ(got, sent);
  EXPECT_LT(copied, sent.size());
}

TEST(Tcp, SaysWritableOnlyAfterTheQueueHadBeenTooLong) {
  Connection both;
  both.client->write(filled(ByteStream::high_water, 'x'));
  run_until(both.loop, [&] { return both.at_server.got.size() == ByteStream::high_water; });
  EXPECT_EQ(both.at_client.writable, 0);
  both.client->write(filled(ByteStream::high_water + 1, 'x'));
  run_until(both.loop, [&] { return both.at_client.writable == 1; });
  EXPECT_LE(both.client->queued_bytes(), ByteStream::high_water / 2);
}

TEST(Tcp, AQuickReaderDoesNotKeepTheTurnFromEnding) {
  Connection both;
  std::size_t written = 0;
  std::size_t read = 0;
  int turns = 0;
  both.at_server.bytes = [&](Bytes bytes) { read += bytes.size(); };
  both.at_client.on_writable = [&] {
    ++turns;
    if (written >= 8 * 1024 * 1024) return;
    both.client->write(filled(ByteStream::high_water + 1, 'x'));
    written += ByteStream::high_water + 1;
  };
  both.at_client.on_writable();
  run_until(both.loop, [&] { return read >= 8u * 1024 * 1024; });
  EXPECT_GE(turns, 31);
}

TEST(Tcp, WhatWasCutShortLooksLikeAFailureToThePeer) {
  Connection both;
  both.server->write(as_bytes("half an answ"));
  run_until(both.loop, [&] { return !both.at_client.got.empty(); });
  both.server->close();
  run_until(both.loop, [&] { return !both.at_client.error.empty(); });
  EXPECT_FALSE(both.at_client.ended);
  EXPECT_NE(both.at_client.error.find(both.listener->local().to_string()), std::string::npos);
}

TEST(Tcp, ClosingRightAfterTheEndStillDeliversAll) {
  Connection both;
  both.server->write(as_bytes("all of it"));
  both.server->finish();
  both.server.reset();
  run_until(both.loop, [&] { return both.at_client.ended; });
  EXPECT_EQ(both.at_client.got, "all of it");
  EXPECT_EQ(both.at_client.error, "");
}

TEST(Tcp, CallbacksMayDestroyTheStream) {
  Connection both;
  both.at_server.bytes = [&](Bytes) { both.server.reset(); };
  both.client->write(filled(300000, 'x'));
  run_until(both.loop, [&] { return both.server == nullptr && !both.at_client.error.empty(); });

  Connection other;
  other.at_server.end = [&] { other.server.reset(); };
  other.client->finish();
  run_until(other.loop, [&] { return other.server == nullptr; });
}

TEST(Tcp, ConnectFailsWithTheReasonAndNeverInsideTheCall) {
  EventLoop loop;
  SocketAddress nobody;
  {
    Connection gone;
    nobody = gone.listener->local();
  }
  std::string refused;
  std::unique_ptr<TcpConnecting> connecting;
  connecting = tcp_connect(loop, nobody, 60s, {}, [&](Result<std::unique_ptr<ByteStream>> stream) {
    ASSERT_FALSE(stream);
    EXPECT_EQ(stream.error().kind, ErrorKind::refused);
    refused = stream.error().message;
    connecting.reset();
  });
  EXPECT_EQ(refused, "");
  run_until(loop, [&] { return !refused.empty(); });
  EXPECT_NE(refused.find(nobody.to_string()), std::string::npos) << refused;

  bool failed = false;  // the kernel says so at once
  connecting = tcp_connect(loop, SocketAddress::parse("255.255.255.255:1").value(), 60s, {},
                           [&](Result<std::unique_ptr<ByteStream>> stream) { failed = !stream; });
  EXPECT_FALSE(failed);
  run_until(loop, [&] { return failed; });
}

/// A listener whose queue is full, so that a further connect stays without an answer.
struct Silent {
  UniqueFd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::vector<UniqueFd> fillers;
  SocketAddress address;
  Silent() {
    const SocketAddress any = SocketAddress::parse("127.0.0.1:0").value();
    EXPECT_EQ(::bind(listener.get(), any.data(), any.size()), 0);
    EXPECT_EQ(::listen(listener.get(), 0), 0);
    sockaddr_storage storage{};
    socklen_t length = sizeof storage;
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&storage), &length);
    address = SocketAddress(reinterpret_cast<sockaddr*>(&storage), length);
    for (int i = 0; i < 3; ++i) {
      UniqueFd filler(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      EXPECT_LE(::connect(filler.get(), address.data(), address.size()), 0);  // not waited for
      fillers.push_back(std::move(filler));
    }
  }
};

TEST(Tcp, ConnectGivesUpInTimeAndIsCancelledByItsOwner) {
  EventLoop loop;
  Silent silent;
  bool called = false;
  auto cancelled = tcp_connect(loop, silent.address, 10ms, {}, [&](auto) { called = true; });
  cancelled.reset();
  ErrorKind kind = ErrorKind::closed;
  const auto connecting =
      tcp_connect(loop, silent.address, 30ms, {}, [&](Result<std::unique_ptr<ByteStream>> stream) {
        kind = stream ? ErrorKind::closed : stream.error().kind;
      });
  run_until(loop, [&] { return kind == ErrorKind::timeout; });
  EXPECT_FALSE(called);
}

TEST(Tcp, OutOfDescriptorsTheListenerPausesAndThenGoesOn) {
  if (sanitized) GTEST_SKIP() << "the sanitizers' own checks need descriptors";
  EventLoop loop;
  int accepted = 0;
  TcpCounters counters;
  const auto listener = std::move(*TcpListener::listen(loop, SocketAddress::parse("127.0.0.1:0").value(),
                                                       {.counters = &counters}, [&](auto) { ++accepted; }));
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  EXPECT_LE(::connect(client.get(), listener->local().data(), listener->local().size()), 0);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  testing::internal::CaptureStderr();
  const int next_free = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get();
  const rlimit tight{static_cast<rlim_t>(next_free), before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &tight);
  run_until(loop, [&] { return counters.shortages > 0; });
  EXPECT_EQ(accepted, 0);
  ::setrlimit(RLIMIT_NOFILE, &before);
  run_until(loop, [&] { return accepted == 1; });
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("ulimit -n"), std::string::npos) << said;
}

TEST(Tcp, TheLastDescriptorsAreLeftToOthers) {
  if (sanitized) GTEST_SKIP() << "the sanitizers' own checks need descriptors";
  EventLoop loop;
  TcpCounters counters;
  std::vector<std::unique_ptr<ByteStream>> accepted;
  const auto listener = std::move(*TcpListener::listen(
      loop, SocketAddress::parse("127.0.0.1:0").value(), {.leave_descriptors = 8, .counters = &counters},
      [&](auto stream) { accepted.push_back(std::move(stream)); }));
  std::vector<std::unique_ptr<TcpConnecting>> connecting;
  std::vector<Result<std::unique_ptr<ByteStream>>> connected;
  const auto connect = [&] {
    connecting.push_back(tcp_connect(loop, listener->local(), 60s, {},
                                     [&](auto result) { connected.push_back(std::move(result)); }));
  };
  connect();
  run_until(loop, [&] { return accepted.size() == 1; });
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const int next_free = UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)).get();
  const rlimit tight{static_cast<rlim_t>(next_free + 4), before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &tight);
  connect();
  run_until(loop, [&] { return counters.shortages == 1; });
  EXPECT_EQ(accepted.size(), 1u);
  // One descriptor is free for others.
  EXPECT_TRUE(UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)));
  ::setrlimit(RLIMIT_NOFILE, &before);
  connect();
  run_until(loop, [&] { return accepted.size() == 2; });
}

TEST(Tcp, BytesOfAListenerAreCounted) {
  EventLoop loop;
  TcpCounters counters;
  std::unique_ptr<ByteStream> near, far;
  const auto listener =
      std::move(*TcpListener::listen(loop, SocketAddress::parse("127.0.0.1:0").value(),
                                     {.counters = &counters}, [&](auto stream) { far = std::move(stream); }));
  const auto connecting =
      tcp_connect(loop, listener->local(), 60s, {}, [&](auto result) { near = std::move(*result); });
  run_until(loop, [&] { return near && far; });
  Receiver reader;
  far->set_receiver(&reader);
  near->write(as_bytes("hello"));
  far->write(as_bytes("hi"));
  run_until(loop, [&] { return counters.bytes_in == 5 && counters.bytes_out == 2; });
  EXPECT_EQ(counters.shortages, 0u);
}

TEST(Tcp, TheListenerMayBeDestroyedByWhatItHandsOut) {
  EventLoop loop;
  std::unique_ptr<TcpListener> listener;
  listener = std::move(*TcpListener::listen(loop, SocketAddress::parse("[::1]:0").value(), {},
                                            [&](auto) { listener.reset(); }));
  const auto connecting = tcp_connect(loop, listener->local(), 60s, {}, [](auto) {});
  run_until(loop, [&] { return listener == nullptr; });
}

TEST(Tcp, AGroupSharesAPortAndOthersAreRefused) {
  EventLoop loop;
  TcpOptions shared;
  shared.reuse_port = true;
  const auto ignore = [](std::unique_ptr<ByteStream>) {};
  const auto first =
      std::move(*TcpListener::listen(loop, SocketAddress::parse("127.0.0.1:0").value(), shared, ignore));
  EXPECT_TRUE(TcpListener::listen(loop, first->local(), shared, ignore));
  const auto refused = TcpListener::listen(loop, first->local(), {}, ignore);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, static_cast<std::uint64_t>(EADDRINUSE));
}

}  // namespace
}  // namespace sallyport::net
