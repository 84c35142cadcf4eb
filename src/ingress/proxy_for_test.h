// For this layer's tests: a client, the reverse proxy and backends, joined in memory, in simulated time. All
// backends are dial::test::World's.
#pragma once

#include "dial/world_for_test.h"
#include "http/replies.h"
#include "http/tcp_for_test.h"
#include "ingress/reverse_proxy.h"

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::ingress::test {

using http::test::RecordingExchange;

class ProxyScene : http::RequestHandler {
 public:
  /// `http2`: what the client speaks, and the backends.
  ProxyScene(bool client_http2, bool backend_http2) {
    world.http2 = backend_http2;
    protocol = backend_http2 ? config::BackendProtocol::h2c : config::BackendProtocol::http1;
    route({backend("backend.test")});
    auto [near, far] = net::make_memory_streams(world.clock.timers);
    const http::StreamSecurity security{.server_name = "example.com", .tls = "TLS1.3"};
    client = (client_http2 ? http::make_h2_client : http::make_h1_client)(timers(), std::move(near), security,
                                                                          client_events, patient_);
    server = (client_http2 ? http::make_h2_server : http::make_h1_server)(timers(), std::move(far), security,
                                                                          *this, &server_events, limits_);
    settle();
  }
  ~ProxyScene() {
    client.reset();
    server.reset();
  }

  net::Timers& timers() { return world.clock.timers; }
  void settle() {
    for (int i = 0; i < 3; ++i) world.clock.pass(Duration::zero());
  }
  config::Backend backend(std::string host, std::uint32_t weight = 1) const {
    return {.protocol = protocol, .host = std::move(host), .port = 80, .weight = weight};
  }
  /// For every host and path.
  void route(std::vector<config::Backend> backends) {
    config::Route route;
    route.backends = std::move(backends);
    apply(std::move(route));
  }
  void apply(config::Route route) {
    configuration.routes = {std::move(route)};
    configuration.backend_trust = trust_;
    proxy.apply(configuration);
  }
  RecordingExchange& ask(const http::Request& request, bool end = true) {
    asked.emplace_back();
    exchange = &client->request(request, asked.back(), end);
    settle();
    return asked.back();
  }
  /// The backend's, of its newest request.
  http::Exchange& at_backend() { return *world.requests.last().exchange; }
  RecordingExchange& backend_handler() { return world.requests.last().handler; }
  const http::Request& request_at_backend() { return world.requests.last().request; }
  std::size_t requests() const { return world.requests.requests.size(); }
  const RouteCounters& counters() const { return *proxy.routes().at(configuration.routes.front().name()); }

  dial::test::World world{"backend.test"};
  config::BackendProtocol protocol;
  config::Configuration configuration;
  http::Replies replies;
  ReverseProxy proxy{world.context(), replies, "test-gateway"};
  std::deque<RecordingExchange> asked;
  http::test::RecordingConnection client_events, server_events;
  std::unique_ptr<http::Connection> client, server;
  http::Exchange* exchange = nullptr;    ///< the client's newest
  http::Exchange* at_gateway = nullptr;  ///< the same, as the gateway has it

 private:
  void on_request(http::Exchange& incoming) override {
    at_gateway = &incoming;
    if (!proxy.serve({incoming, {}})) replies.sentence({incoming, {}}, 404, "no route");
  }
  const http::Limits limits_, patient_{.idle_timeout = 1h};  // of the server, and of the client
  const std::shared_ptr<const tls::Trust> trust_ = *tls::Trust::make({});
};

}  // namespace sallyport::ingress::test
