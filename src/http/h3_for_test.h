// What the tests of HTTP/3 share: a client and a server that meet over a simulated link, and a peer that says
// on its streams whatever a test likes.
#pragma once

#include "base/varint.h"
#include "http/h3_connection.h"
#include "http/h3_error.h"
#include "http/h3_frames.h"
#include "http/h3_qpack.h"
#include "http/h3_settings.h"
#include "http/tcp_for_test.h"
#include "quic/application_for_test.h"
#include "tls/session_cache.h"

#include <deque>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::http::test {

/// Both sides are ours.
struct H3Pair {
  quic::test::Simulation simulation;
  SeededRandom random{42};
  quic::test::LinkPair link{simulation};
  quic::Environment environment{simulation.timers, random};
  quic::ServerOptions server_options;
  quic::ClientOptions client_options;
  Limits server_limits, client_limits;
  RecordingServer requests;
  RecordingConnection server_events, client_events;
  std::deque<RecordingExchange> handlers;  // of the client's exchanges, which they outlive
  std::vector<H3Connection*> servers;
  std::unique_ptr<quic::Endpoint> endpoint;
  std::unique_ptr<H3Connection> client;

  H3Pair() {
    server_options.credentials = quic::test::Pair::credentials();
    tls::TrustOptions trust;
    trust.insecure = true;
    client_options.trust = *tls::Trust::make(trust);
    client_options.host = "server.test";
    client_options.origin = "server.test:443";
  }
  ~H3Pair() {
    client.reset();
    endpoint.reset();
  }

  void serve() {
    endpoint = std::make_unique<quic::Endpoint>(
        environment, link.server, server_options, [this](quic::Connection& quic) {
          auto server = make_h3_server(quic, requests, &server_events, server_limits);
          servers.push_back(server.get());
          return server;
        });
  }
  void connect() {
    client =
        std::move(*make_h3_client(environment, link.client, client_options, client_events, client_limits));
  }
  /// Both, and the client knows the server's SETTINGS.
  bool establish() {
    serve();
    connect();
    return simulation.run_until([this] { return client_events.ready > 0; });
  }
  bool run_until(const std::function<bool()>& done, Duration limit = 20s) {
    return simulation.run_until(done, limit);
  }
  void run_for(Duration span) { simulation.run_for(span); }
  H3Connection& server() { return *servers.back(); }
  RecordingExchange& handler() { return handlers.emplace_back(); }
};

inline Request connect_udp() {
  Request request;
  request.authority = "server.test";
  request.path = "/.well-known/masque/udp/192.0.2.9/53/";
  request.method = "CONNECT";
  request.protocol = "connect-udp";
  request.fields.add("capsule-protocol", "?1");
  return request;
}

// What a raw peer says

inline std::string varint(std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes;
  return std::string(as_text(Bytes(bytes).first(put_varint(bytes, value))));
}
inline std::string frame(std::uint64_t type, std::string_view payload) {
  return varint(type) + varint(payload.size()) + std::string(payload);
}
inline std::string frame(H3Frame type, std::string_view payload) {
  return frame(static_cast<std::uint64_t>(type), payload);
}
using Lines = std::vector<std::pair<std::string, std::string>>;
inline std::string headers(const Lines& lines) {
  QpackEncoder& encoder = QpackEncoder::shared();
  encoder.begin();
  for (const auto& [name, value] : lines) encoder.add(name, value);
  return frame(H3Frame::headers, as_text(encoder.encoded()));
}
inline std::string data_frame(std::string_view body) {
  return frame(H3Frame::data, body);
}
inline Lines request_lines(Lines more = {}) {
  Lines lines{{":method", "GET"}, {":scheme", "https"}, {":authority", "server.test"}, {":path", "/"}};
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}
inline std::string settings_frame(const H3Settings& settings = {.extended_connect = true,
                                                                .datagrams = true}) {
  const auto payload = encode_settings(settings);
  return frame(H3Frame::settings, as_text(payload));
}

/// A client of the test's own against our server.
struct RawClient : H3Pair {
  quic::test::TestApplication raw;
  std::unique_ptr<quic::Connection> connection;

  ~RawClient() { connection.reset(); }

  /// `with_control`: opens a control stream with SETTINGS, stream 2.
  bool meet(bool with_control = true) {
    serve();
    connection = std::move(*quic::Connection::connect(environment, link.client, raw, client_options));
    raw.connection = connection.get();
    if (!simulation.run_until([this] { return connection->is_established(); })) return false;
    if (with_control) say_control(settings_frame());
    run_for(100ms);
    return true;
  }
  quic::StreamId say_control(std::string frames) {
    const quic::StreamId id = *connection->open_unidirectional();
    raw.send(id, varint(0) + std::move(frames), false);
    return id;
  }
  /// A unidirectional stream.
  quic::StreamId say_uni(std::string bytes, bool fin = false) {
    const quic::StreamId id = *connection->open_unidirectional();
    raw.send(id, std::move(bytes), fin);
    return id;
  }
  quic::StreamId say(std::string bytes, bool fin) {
    const quic::StreamId id = *connection->open_bidirectional();
    raw.send(id, std::move(bytes), fin);
    return id;
  }
  /// The application error that the server closed the connection with; 0 when it is open.
  std::uint64_t closed_with() {
    run_for(200ms);
    return raw.closed && raw.closed->application ? raw.closed->code : 0;
  }
  /// The error that the server reset stream `id` with; 0 when it did not.
  std::uint64_t reset_with(quic::StreamId id) {
    run_for(200ms);
    return raw.streams[id].reset_code.value_or(0);
  }
};

/// A server of the test's own against our client.
struct RawServer : H3Pair {
  std::vector<quic::test::TestApplication*> raws;

  bool meet(std::string control = settings_frame()) {
    endpoint = std::make_unique<quic::Endpoint>(
        environment, link.server, server_options, [&](quic::Connection& quic) {
          auto application = std::make_unique<quic::test::TestApplication>();
          application->connection = &quic;
          auto* const raw = application.get();
          raws.push_back(raw);
          application->when_established = [raw, control] {
            raw->send(*raw->connection->open_unidirectional(), varint(0) + control, false);
          };
          return application;
        });
    connect();
    return simulation.run_until([this] { return client_events.ready > 0 || client_events.closed > 0; });
  }
  quic::test::TestApplication& raw() { return *raws.back(); }
  /// The error that our client closed the connection with; 0 when it is open. (The endpoint destroys raw()
  /// then.)
  std::uint64_t closed_with() {
    run_for(200ms);
    return client_events.error ? client_events.error->code : 0;
  }
};

inline std::uint64_t code(H3Code code) {
  return static_cast<std::uint64_t>(code);
}

}  // namespace sallyport::http::test
