#include "quic_scene.h"

#include "identity.h"

#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

constexpr std::uint16_t port = 443;

/// Different at each place, so that a piece in the wrong place shows.
std::string content(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return text;
}

}  // namespace

QuicScene::QuicScene(std::uint64_t seed, Family family)
    : network(seed),
      client_host(family == Family::v4 ? network.add_host("client") : network.add_v6_host("client")),
      server_host(family == Family::v4 ? network.add_host("server.sim.test")
                                       : network.add_v6_host("server.sim.test")) {
  each_link([](LinkProfile& link) {
    link.delay = 5ms;
    link.bits_per_second = 50e6;
  });
  server_options.credentials = server_credentials();
  client_options.trust = client_trust();
  client_options.host = server_host.name();
  client_options.origin = server_host.name() + ":443";
  client_options.sessions = &sessions;
}

QuicScene::~QuicScene() {
  clients_.clear();
  endpoint.reset();
}

void QuicScene::each_link(const std::function<void(LinkProfile&)>& change) {
  for (Host* host : {&client_host, &server_host})
    for (Link* link : {&host->up, &host->down}) change(link->profile);
}

void QuicScene::serve() {
  server_socket_ = server_host.listen(port);
  endpoint = std::make_unique<quic::Endpoint>(
      environment(), *server_socket_, server_options, [this](auto& connection) {
        auto application = std::make_unique<quic::test::TestApplication>();
        application->connection = &connection;
        application->echo = true;
        server_applications_.emplace_back(&connection, application.get());
        return application;
      });
}

QuicScene::Client& QuicScene::connect() {
  Client& client = clients_.emplace_back();
  client.path = *client_host.open_udp({server_host.address(), port});
  auto connection =
      quic::Connection::connect(environment(), *client.path, client.application, client_options);
  EXPECT_TRUE(connection) << connection.error().message;
  client.connection = std::move(*connection);
  client.application.connection = client.connection.get();
  return client;
}

QuicScene::Client& QuicScene::establish() {
  serve();
  Client& client = connect();
  EXPECT_TRUE(network.run_until([&] { return established(client); }, 10s));
  return client;
}

bool QuicScene::established(const Client& client) const {
  return client.connection->is_established() && server_application() != nullptr &&
         server_application()->connection->is_established();
}

quic::StreamId QuicScene::begin_echo(Client& client, std::size_t bytes) {
  const auto id = client.connection->open_bidirectional();
  EXPECT_TRUE(id) << id.error().message;
  client.application.send(*id, content(bytes), true);
  return *id;
}

bool QuicScene::echoed(const Client& client, quic::StreamId id) const {
  const auto found = client.application.streams.find(id);
  return found != client.application.streams.end() && found->second.received_fin;
}

bool QuicScene::echo(Client& client, std::size_t bytes, Duration limit) {
  const quic::StreamId id = begin_echo(client, bytes);
  if (!network.run_until([&] { return echoed(client, id) || client.application.closed; }, limit))
    return false;
  return echoed(client, id) && client.application.streams.at(id).received == content(bytes);
}

quic::test::TestApplication* QuicScene::server_application() const {
  quic::test::TestApplication* newest = nullptr;
  std::size_t newest_index = 0;
  endpoint->for_each([&](quic::Connection& open) {
    for (std::size_t i = newest_index; i < server_applications_.size(); ++i)
      if (server_applications_[i].first == &open) {
        newest = server_applications_[i].second;
        newest_index = i;
      }
  });
  return newest;
}

quic::Stats QuicScene::server_stats() const {
  const auto* application = server_application();
  EXPECT_NE(application, nullptr) << "the server has no connection open";
  return application == nullptr ? quic::Stats{} : application->connection->stats();
}

}  // namespace sallyport::sim
