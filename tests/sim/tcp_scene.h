// TcpScene: a TCP connection between two hosts of the simulated network, for the tests of its TCP.
#pragma once

#include "content.h"
#include "network.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

namespace sallyport::sim {

struct TcpReader final : net::ByteStreamReceiver {
  void on_bytes(Bytes bytes) override {
    content.take(bytes);
    read();
  }
  void on_end() override {
    ended = true;
    end();
  }
  void on_stream_writable() override {
    ++writable;
    room();
  }
  void on_stream_error(const Error& why) override { error = why; }
  bool has_all(std::uint64_t bytes) const { return content.bytes() == bytes && content.intact(); }

  ContentCheck content;
  bool ended = false;
  int writable = 0;
  std::optional<Error> error;
  std::function<void()> read = [] {}, end = [] {}, room = [] {};
};

/// The content from `offset` on.
inline Chunk content_chunk(std::uint64_t offset, std::size_t bytes) {
  Chunk chunk = Chunk::allocate(bytes);
  fill_content(offset, chunk.mutable_bytes());
  return chunk;
}

struct TcpScene {
  using Stream = std::unique_ptr<net::ByteStream>;

  explicit TcpScene(std::uint64_t seed = 1) : network(seed) {
    listener = std::move(*server.listen_tcp(address(), {}, [this](Stream stream) {
      far = std::move(stream);
      far->set_receiver(&at_far);
    }));
  }

  net::SocketAddress address(std::uint16_t port = 443) const { return {server.address(), port}; }
  void each_link(const std::function<void(LinkProfile&)>& change) {
    for (Host* host : {&client, &server})
      for (Link* link : {&host->up, &host->down}) change(link->profile);
  }
  /// What comes of an attempt to connect to `targets`.
  Result<Stream> connect(const std::vector<net::SocketAddress>& targets, Duration timeout) {
    std::optional<Result<Stream>> got;
    const auto connecting =
        client.open_tcp(targets, timeout, [&](Result<Stream> result) { got = std::move(result); }, nullptr);
    EXPECT_FALSE(got) << "called inside the call";
    EXPECT_TRUE(network.run_until([&] { return got.has_value(); }, 10 * 60s));
    return got ? std::move(*got) : fail(ErrorKind::timeout, "the attempt has no end");
  }
  /// Both ends stand, with their readers.
  void establish() {
    auto connected = connect({address()}, 60s);
    ASSERT_TRUE(connected) << connected.error().message;
    near = std::move(*connected);
    near->set_receiver(&at_near);
    ASSERT_TRUE(network.run_until([&] { return far != nullptr; }, 60s));
  }

  Network network;
  Host& client = network.add_host("client");
  Host& server = network.add_host("server");
  TcpReader at_near, at_far;
  std::unique_ptr<net::TcpListener> listener;
  Stream near, far;
};

}  // namespace sallyport::sim
