// For this layer's tests: both ends of a TLS connection over a pair of MemoryStreams, and receivers that
// record their calls.
#pragma once

#include "net/memory_stream.h"
#include "tls/stream.h"

#include <memory>
#include <optional>
#include <string>

namespace sallyport::tls {

struct Inbox : net::ByteStreamReceiver {
  void on_bytes(Bytes bytes) override {
    received += as_text(bytes);
    if (when_bytes) when_bytes();
  }
  void on_end() override {
    ++ends;
    if (when_over) when_over();
  }
  void on_stream_writable() override { ++writables; }
  void on_stream_error(const Error& why) override {
    error = why;
    if (when_over) when_over();
  }

  std::string received;
  int ends = 0;
  int writables = 0;
  std::optional<Error> error;
  std::function<void()> when_bytes, when_over;
};

/// Keeps key log lines.
struct Lines : trace::KeyLog {
  void write(std::string_view line) override { lines += std::string(line) + "\n"; }
  std::string lines;
};

inline std::shared_ptr<const ServerCredentials> credentials_for(std::vector<std::string> names) {
  return *ServerCredentials::make({*make_self_signed(names)});
}

inline std::shared_ptr<const Trust> trust_anything() {
  return *Trust::make({.insecure = true});
}

struct Link {
  explicit Link(std::size_t piece = 64 * 1024) {
    std::tie(client_transport, server_transport) = net::make_memory_streams(timers, {.piece = piece});
    server_options.credentials = credentials_for({"a.test"});
    client_options.trust = trust_anything();
    client_options.host = "a.test";
  }

  void run() {
    while (timers.has_deferred()) timers.run_deferred();
  }

  /// The outcomes of both sides are in the members below.
  void shake_hands() {
    accepting = accept(timers, std::move(server_transport), server_options,
                       [this](auto result) { take(result, server, server_error); });
    connecting = connect(timers, std::move(client_transport), client_options,
                         [this](auto result) { take(result, client, client_error); });
    run();
    if (client) client->set_receiver(&client_inbox);
    if (server) server->set_receiver(&server_inbox);
  }

  void start_reading() {
    client->set_reading(true);
    server->set_reading(true);
    run();
  }

  net::Timers timers{Time{}};
  std::unique_ptr<net::ByteStream> client_transport, server_transport;
  ServerOptions server_options;
  ClientOptions client_options;
  Inbox client_inbox, server_inbox;
  std::unique_ptr<Handshake> accepting, connecting;
  std::unique_ptr<Stream> client, server;
  std::optional<Error> client_error, server_error;

 private:
  static void take(Result<std::unique_ptr<Stream>>& result, std::unique_ptr<Stream>& stream,
                   std::optional<Error>& error) {
    if (result)
      stream = std::move(*result);
    else
      error = result.error();
  }
};

}  // namespace sallyport::tls
