// A fixture for tests of both sides of a tunnel over the real HTTP/1.1, /2 and /3.
#pragma once

#include "http/h3_connection.h"
#include "http/tcp_connection.h"
#include "masque/doubles_for_test.h"
#include "masque/proxy.h"
#include "masque/tcp_tunnel.h"
#include "masque/udp_tunnel.h"
#include "quic/application_for_test.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sallyport::masque {

class ClosedSink final : public http::ConnectionHandler {
 public:
  void on_connection_closed(http::Connection&, const Error*) override {}
};

class Inner final : public net::DatagramReceiver {
 public:
  void on_datagrams(const net::NetPath&, const net::DatagramRun& run, Time) override {
    datagrams.emplace_back(as_text(run.bytes));
  }
  void on_path_writable(Time) override { ++writable; }
  std::vector<std::string> datagrams;
  int writable = 0;
};

class Reader final : public net::ByteStreamReceiver {
 public:
  void on_bytes(Bytes bytes) override { received += as_text(bytes); }
  void on_end() override { ended = true; }
  void on_stream_error(const Error& why) override { error = why; }
  std::string received;
  std::optional<Error> error;
  bool ended = false;
};

/// A client's and a server's connection: of HTTP/3 over a link with 10 ms of delay, of the others joined in
/// memory.
class TunnelsTest : public testing::TestWithParam<http::Version> {
 protected:
  explicit TunnelsTest(ProxyOptions options = {}) : proxy(timers, outbound, std::move(options)) {
    if (GetParam() == http::Version::http3) {
      quic::ServerOptions server_options;
      server_options.credentials = quic::test::Pair::credentials();
      endpoint = std::make_unique<quic::Endpoint>(
          environment, link.server, server_options,
          [this](quic::Connection& quic) { return http::make_h3_server(quic, proxy, nullptr, limits); });
      client = http::make_h3_client(environment, link.client, client_options(), sink, limits).value();
      return;
    }
    auto [ours, theirs] = net::make_memory_streams(timers);
    const http::StreamSecurity security;
    if (GetParam() == http::Version::http2) {
      server = http::make_h2_server(timers, std::move(theirs), security, proxy, nullptr, limits);
      client = http::make_h2_client(timers, std::move(ours), security, sink, limits);
    } else {
      server = http::make_h1_server(timers, std::move(theirs), security, proxy, nullptr, limits);
      client = http::make_h1_client(timers, std::move(ours), security, sink, limits);
    }
  }
  static quic::ClientOptions client_options() {
    quic::ClientOptions options;
    tls::TrustOptions trust;
    trust.insecure = true;
    options.trust = tls::Trust::make(trust).value();
    options.host = "server.test";
    options.origin = "server.test:443";
    options.config.keep_alive = 10s;
    return options;
  }
  /// Long enough for everything that was begun to come to rest.
  void settle(Duration span = 2s) { simulation.run_for(span); }
  std::unique_ptr<UdpTunnel> open_udp(std::string_view host, const http::Fields& fields = {}) {
    auto tunnel = std::make_unique<UdpTunnel>(*client, ProxyTemplate::parse("https://proxy.example").value(),
                                              Target{std::string(host), 443}, fields,
                                              TunnelEvents{[this](const std::string& hop) { next_hop = hop; },
                                                           [this](const Error& why) { closed = why; }});
    tunnel->set_receiver(&inner);
    return tunnel;
  }
  static net::SendStatus send(UdpTunnel& tunnel, std::string_view bytes, std::size_t segment_size) {
    return tunnel.send({}, {as_bytes(bytes), segment_size});
  }
  PathRecord& path() { return *outbound.opened_udp.back().second; }

  quic::test::Simulation simulation;
  net::Timers& timers = simulation.timers;
  SeededRandom random{42};
  quic::Environment environment{timers, random};
  quic::test::LinkPair link{simulation};
  quic::test::LinkPair beyond{simulation, "192.0.2.3:1000",
                              "192.0.2.4:443"};  ///< from the proxy to the target
  OutboundForTest outbound{timers};
  Proxy proxy;
  http::Limits limits;
  ClosedSink sink;
  std::unique_ptr<quic::Endpoint> endpoint;
  std::unique_ptr<http::Connection> server, client;
  Inner inner;
  Reader reader, target;
  std::optional<std::string> next_hop;
  std::optional<Error> closed;
};

inline const auto all_versions =
    testing::Values(http::Version::http1_1, http::Version::http2, http::Version::http3);
inline const auto version_name = [](const auto& tested) {
  return tested.param == http::Version::http1_1 ? "http1"
         : tested.param == http::Version::http2 ? "http2"
                                                : "http3";
};

}  // namespace sallyport::masque
