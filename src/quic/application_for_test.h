// TestApplication: an Application for tests that records its calls and sends given data.
#pragma once

#include "quic/connection.h"
#include "quic/endpoint.h"
#include "quic/link_for_test.h"
#include "tls/certificate.h"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::quic::test {

class TestApplication final : public Application {
 public:
  struct Stream {
    std::string received;
    bool received_fin = false;
    std::deque<std::string> unacked;  ///< stays in place until acknowledged
    std::size_t acked_of_front = 0;
    std::string_view unsent;  ///< of unacked.back()
    bool fin = false, fin_sent = false, blocked = false;
    std::optional<std::uint64_t> reset_code, stop_code, closed_code;
    ::iovec piece{};
  };

  Connection* connection = nullptr;
  std::map<StreamId, Stream> streams;
  std::vector<std::string> datagrams;
  std::vector<std::size_t> payload_sizes;  ///< told by on_max_datagram_payload
  std::optional<Closed> closed;
  std::size_t established = 0, early_rejected = 0, streams_available = 0, writable = 0, early_bytes = 0;
  std::string padding;   ///< padding_datagram()
  bool echo = false;     ///< a server that sends back each stream when it ended
  bool consumes = true;  ///< gives flow-control credit back at once
  std::optional<Error> answer_data_with;
  std::function<void()> when_established;
  std::function<void(const Closed&)> when_closed;

  void send(StreamId id, std::string data, bool fin) {
    Stream& stream = streams[id];
    stream.unacked.push_back(std::move(data));
    stream.unsent = stream.unacked.back();
    stream.fin = fin;
    stream.fin_sent = false;
    connection->want_write();
  }

  Bytes padding_datagram() override { return as_bytes(padding); }
  void on_established(Time) override {
    ++established;
    if (when_established) when_established();
  }
  void on_early_data_rejected(Time) override {
    ++early_rejected;
    streams.clear();
  }
  void on_streams_available() override { ++streams_available; }
  Result<> on_stream_data(StreamId id, Bytes data, bool fin) override {
    if (answer_data_with) return std::unexpected(*answer_data_with);
    Stream& stream = streams[id];
    if (!connection->is_established()) early_bytes += data.size();
    stream.received += as_text(data);
    stream.received_fin |= fin;
    if (consumes) connection->consume(id, data.size());
    if (fin && echo && is_bidirectional(id)) send(id, stream.received, true);
    return {};
  }
  Result<> on_stream_reset(StreamId id, std::uint64_t code) override {
    streams[id].reset_code = code;
    return {};
  }
  Result<> on_stop_sending(StreamId id, std::uint64_t code) override {
    streams[id].stop_code = code;
    return {};
  }
  void on_stream_closed(StreamId id, std::uint64_t code, bool) override { streams[id].closed_code = code; }
  void on_stream_acked(StreamId id, std::size_t count) override {
    Stream& stream = streams[id];
    stream.acked_of_front += count;
    while (!stream.unacked.empty() && stream.acked_of_front >= stream.unacked.front().size() &&
           (stream.unacked.size() > 1 || stream.unsent.empty())) {
      stream.acked_of_front -= stream.unacked.front().size();
      stream.unacked.pop_front();
    }
  }
  void on_stream_unblocked(StreamId id) override { streams[id].blocked = false; }
  void on_datagram(Bytes payload, Time) override { datagrams.emplace_back(as_text(payload)); }
  Result<StreamData> next_stream_data() override {
    for (auto& [id, stream] : streams) {
      if (stream.blocked || (stream.unsent.empty() && (!stream.fin || stream.fin_sent))) continue;
      stream.piece = {const_cast<char*>(stream.unsent.data()), stream.unsent.size()};
      return StreamData{id, {&stream.piece, stream.unsent.empty() ? 0u : 1u}, stream.fin};
    }
    return StreamData{};
  }
  void on_stream_written(StreamId id, std::size_t count) override {
    Stream& stream = streams[id];
    stream.unsent.remove_prefix(count);
    if (stream.unsent.empty() && stream.fin) stream.fin_sent = true;
  }
  void on_stream_blocked(StreamId id) override { streams[id].blocked = true; }
  void on_stream_shut(StreamId id) override {
    streams[id].unsent = {};
    streams[id].fin_sent = true;
  }
  void on_max_datagram_payload(std::size_t bytes) override { payload_sizes.push_back(bytes); }
  void on_datagrams_writable(StreamId) override { ++writable; }
  void on_closed(const Closed& why) override {
    closed = why;
    if (when_closed) when_closed(why);
  }
};

/// A server and a client that are to meet over a LinkPair.
struct Pair {
  Simulation simulation;
  SeededRandom random{42};
  LinkPair link{simulation};
  Environment environment{simulation.timers, random};
  ServerOptions server_options;
  ClientOptions client_options;
  TestApplication client_application;
  std::vector<TestApplication*> server_applications;
  std::optional<Closed>
      server_closed;  ///< of the connection that ended last; its application is gone by then
  std::function<void(TestApplication&)> on_accept;
  std::unique_ptr<Endpoint> endpoint;
  std::unique_ptr<Connection> client;

  Pair() {
    server_options.credentials = credentials();
    tls::TrustOptions trust;
    trust.insecure = true;
    client_options.trust = *tls::Trust::make(trust);
    client_options.host = "server.test";
    client_options.origin = "server.test:443";
  }
  ~Pair() {
    client.reset();
    endpoint.reset();
  }

  static std::shared_ptr<const tls::ServerCredentials> credentials() {
    static const auto shared = [] {
      std::vector<tls::KeyPair> pairs;
      pairs.push_back(*tls::make_self_signed({"server.test"}));
      return *tls::ServerCredentials::make(pairs);
    }();
    return shared;
  }

  void serve() {
    endpoint.reset();
    endpoint =
        std::make_unique<Endpoint>(environment, link.server, server_options, [this](Connection& connection) {
          auto application = std::make_unique<TestApplication>();
          application->connection = &connection;
          server_applications.push_back(application.get());
          application->when_closed = [this](const Closed& why) { server_closed = why; };
          if (on_accept) on_accept(*application);
          return application;
        });
  }
  void connect() {
    client_application.connection = nullptr;
    client = std::move(*Connection::connect(environment, link.client, client_application, client_options));
    client_application.connection = client.get();
  }
  /// Both, and the handshake.
  bool establish() {
    serve();
    connect();
    return simulation.run_until([this] {
      return client->is_established() && !server_applications.empty() &&
             server_application().connection->is_established();
    });
  }
  TestApplication& server_application() { return *server_applications.back(); }
  Connection& server() { return *server_application().connection; }
};

}  // namespace sallyport::quic::test
