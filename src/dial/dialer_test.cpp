#include "base/folder_for_test.h"
#include "dial/direct_dialer.h"
#include "dial/hop_dialer.h"
#include "dial/world_for_test.h"
#include "tls/authority_for_test.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sallyport::dial {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Layer = Security::Layer;

/// What a pool of upstream connections has: a Context and a DirectDialer.
class DirectDialerTest : public testing::Test {
 protected:
  DirectDialerTest() {
    world.requests.then = [](http::Exchange& exchange, http::test::RecordingExchange&) {
      exchange.respond({.status = 200, .fields = {{"content-length", "5"}}});
      exchange.write(as_bytes("hello"));
      exchange.finish();
    };
  }

  void dial(Security security, Peer peer = {"backend.test", 8080, "upstream"}) {
    dialled = dialer.dial(std::move(peer), std::move(security), events);
    dialled->start();
    world.clock.settle();
    world.clock.pass(Duration{1});
  }

  /// The body of a response to a request that the dialled connection takes.
  std::string fetch() {
    http::test::RecordingExchange exchange;
    dialled->connection().request(
        {.method = "GET", .scheme = "http", .authority = "backend.test", .path = "/"}, exchange, true);
    world.clock.pass(1ms);
    EXPECT_TRUE(exchange.is_well());
    return exchange.body;
  }

  LinkFigures figures() const {
    LinkFigures measured;
    dialled->measure(measured);
    return measured;
  }

  /// The server's certificate alone.
  std::shared_ptr<const tls::Trust> trust_in_server() {
    std::ofstream(folder / "ca.pem") << world.pair.certificate_pem;
    return *tls::Trust::make({.ca_files = {folder / "ca.pem"}});
  }

  const FolderForTest folder;
  test::World world{"inside.test"};
  Context context = world.context();
  test::RecordingDial events;
  DirectDialer dialer{context};
  std::unique_ptr<Dialled> dialled;
};

TEST_F(DirectDialerTest, SpeaksHttp1InTheClear) {
  dial({.layer = Layer::plain, .alpn = {"http/1.1"}});
  ASSERT_EQ(events.ready, 1);
  EXPECT_EQ(fetch(), "hello");
  EXPECT_EQ(figures().version, "HTTP/1.1");
  EXPECT_EQ(figures().tls, "");
  EXPECT_EQ(figures().http.requests, 1u);
  EXPECT_EQ(world.requests.last().request.authority, "backend.test");
  EXPECT_FALSE(dialer.hop());
}

TEST_F(DirectDialerTest, SpeaksHttp2InTheClearWithPriorKnowledge) {
  world.http2 = true;
  dial({.layer = Layer::plain, .alpn = {"h2"}});
  ASSERT_EQ(events.ready, 1);
  EXPECT_EQ(fetch(), "hello");
  EXPECT_EQ(figures().version, "HTTP/2");
  EXPECT_EQ(figures().tls, "");
}

TEST_F(DirectDialerTest, EndsWhereAServerDoesNotSpeakHttp2InTheClear) {
  dial({.layer = Layer::plain, .alpn = {"h2"}});
  EXPECT_EQ(events.ready, 0);
  EXPECT_EQ(events.ended, 1);
  ASSERT_TRUE(events.error) << "an orderly end, but nothing was established";
  EXPECT_EQ(events.error->message, "the connection was closed");
}

TEST_F(DirectDialerTest, HasTrustAndServerNameOfItsOwn) {
  world.over_tls = true;
  for (const bool http2 : {true, false}) {
    events = {};
    world.http2 = http2;
    dial({.trust = trust_in_server(), .server_name = "inside.test"});
    ASSERT_EQ(events.ready, 1) << (events.error ? events.error->message : "");
    EXPECT_EQ(world.server_name, "inside.test");
    EXPECT_EQ(figures().version, http2 ? "HTTP/2" : "HTTP/1.1");
    EXPECT_EQ(figures().tls, "TLS1.3");
    EXPECT_EQ(fetch(), "hello");
  }
}

TEST_F(DirectDialerTest, RefusesACertificateForAnotherNameOrOfNobodyThatIsTrusted) {
  world.over_tls = true;
  dial({.trust = trust_in_server()});
  ASSERT_TRUE(events.error);
  EXPECT_EQ(events.error->kind, ErrorKind::tls);
  EXPECT_THAT(events.error->message, HasSubstr("backend.test"));

  events = {};
  dial({.server_name = "inside.test"});  // the Context's, which is the system's
  ASSERT_TRUE(events.error);
  EXPECT_EQ(events.error->kind, ErrorKind::tls);
}

TEST_F(DirectDialerTest, OffersTheCertificateOfItsSecurityAlone) {
  const tls::AuthorityForTest authority("Clients' CA");
  const auto gateway = *tls::OfferedCertificate::make(authority.issue("gateway"));
  world.over_tls = true;
  world.clients = tls::clients_of(authority);
  dial({.trust = trust_in_server(), .certificate = gateway, .server_name = "inside.test"});
  ASSERT_EQ(events.ready, 1) << (events.error ? events.error->message : "");
  EXPECT_EQ(fetch(), "hello");
  EXPECT_EQ(world.client, "CN=gateway");

  events = {};
  context.certificate = gateway;
  dial({.trust = trust_in_server(), .server_name = "inside.test"});
  ASSERT_TRUE(events.error);
  EXPECT_THAT(events.error->message, HasSubstr("the server requires a client certificate"));
}

TEST_F(DirectDialerTest, RemembersNoSessionOfACertificate) {
  const auto gateway = *tls::OfferedCertificate::make(tls::AuthorityForTest("Clients' CA").issue("gateway"));
  tls::SessionCache sessions;
  context.trust = trust_in_server();
  context.sessions = &sessions;
  world.over_tls = true;
  for (const auto& certificate : {gateway, std::shared_ptr<const tls::OfferedCertificate>()}) {
    dial({.certificate = certificate, .server_name = "inside.test"});
    EXPECT_EQ(fetch(), "hello");
    EXPECT_EQ(sessions.find("tcp/inside.test:8080").has_value(), certificate == nullptr);
  }
}

TEST_F(DirectDialerTest, LooksUpOnlyWhatIsNotKnown) {
  world.addresses = {"2001:db8::1", "2001:db8::2", "192.0.2.1"};
  dial({.layer = Layer::plain, .alpn = {"http/1.1"}});
  EXPECT_THAT(world.names, ElementsAre("backend.test"));
  EXPECT_THAT(world.tcp, ElementsAre("[2001:db8::1]:8080", "192.0.2.1:8080", "[2001:db8::2]:8080"));

  world.names.clear();
  dial({.layer = Layer::plain, .alpn = {"http/1.1"}},
       {"backend.test", 8080, "upstream", {*net::SocketAddress::parse("192.0.2.7:81")}});
  EXPECT_THAT(world.names, IsEmpty());
  EXPECT_THAT(world.tcp, ElementsAre("192.0.2.7:81"));

  ASSERT_TRUE(context.pinned.add("backend.test:8080:192.0.2.8"));
  dial({.layer = Layer::plain, .alpn = {"http/1.1"}});
  EXPECT_THAT(world.names, IsEmpty());
  EXPECT_THAT(world.tcp, ElementsAre("192.0.2.8:8080"));
}

TEST_F(DirectDialerTest, DoesNotWaitForANameForEver) {
  world.answers_names = false;
  dial({.layer = Layer::quic});
  world.clock.pass(context.connect_timeout);
  ASSERT_TRUE(events.error);
  EXPECT_EQ(events.error->message, "the name 'backend.test' was not resolved within 10 s");
}

TEST_F(DirectDialerTest, NamesNobodyInItsErrors) {
  world.refuses = true;
  dial({.layer = Layer::plain});
  ASSERT_TRUE(events.error);
  EXPECT_EQ(events.error->message, "nobody listens there");
  EXPECT_EQ(events.ended, 1);
}

// RFC 8305 over QUIC

TEST_F(DirectDialerTest, RacesTheAddressesOverQuic) {
  world.addresses = {"192.0.2.1", "192.0.2.2", "192.0.2.3"};
  world.unreachable = {"192.0.2.2:8080"};
  const Time began = world.clock.timers.now();
  dial({.layer = Layer::quic});
  world.clock.pass(1s);
  EXPECT_THAT(world.udp, ElementsAre(std::pair("192.0.2.1:8080", began),
                                     std::pair("192.0.2.2:8080", began + net::attempt_delay),
                                     std::pair("192.0.2.3:8080", began + net::attempt_delay)))
      << "who is told that one leads nowhere does not wait for the next one's turn";
  EXPECT_THAT(events.failed, ElementsAre("QUIC to 192.0.2.2:8080"));
  EXPECT_EQ(events.ended, 0);
  std::size_t running = 0;
  dialled->each_running([&](const Dialled&) { ++running; });
  EXPECT_EQ(running, 2u);
}

TEST_F(DirectDialerTest, FillsUpItsFirstDatagramForWhatItCarries) {
  dial({.layer = Layer::quic, .carries = 2, .carries_in_ip = 1});
  EXPECT_EQ(world.largest_udp, 1200u + 2 * 45 + 48) << "one of them has IPv6 and UDP headers";
}

TEST_F(DirectDialerTest, EndsOnceWhenEachAddressFailedOverQuic) {
  world.addresses = {"192.0.2.1", "192.0.2.2"};
  world.unreachable = {"192.0.2.1:8080", "192.0.2.2:8080"};
  dial({.layer = Layer::quic});
  EXPECT_THAT(events.failed, ElementsAre("QUIC to 192.0.2.1:8080", "QUIC to 192.0.2.2:8080"));
  EXPECT_EQ(events.ended, 1);
  ASSERT_TRUE(events.error);
  EXPECT_EQ(events.error->message, "no route");
  EXPECT_TRUE(figures().over_quic);
}

TEST_F(DirectDialerTest, TellsNothingOnceItIsAbandoned) {
  for (const Layer layer : {Layer::plain, Layer::tls, Layer::quic}) {
    dialled = dialer.dial({"backend.test", 8080, "upstream"}, {.layer = layer}, events);
    dialled->start();
    dialled->abandon();
    world.clock.pass(20s);
  }
  EXPECT_EQ(events.ready + events.ended, 0);
  EXPECT_THAT(world.tcp, IsEmpty());
  EXPECT_THAT(world.udp, IsEmpty());
}

// Through a hop

class HopDialerTest : public testing::Test {
 protected:
  std::unique_ptr<Dialled> dial(Layer layer, Peer peer = {"origin.test", 443, "origin"}) {
    auto dialled = dialer.dial(std::move(peer), {.layer = layer}, events);
    dialled->start();
    hop.clock.pass(1ms);
    return dialled;
  }

  http::test::Pair hop{http::test::Pair::Speaks::h2};
  test::World world;
  Context context{.outbound = world,  // of which nothing is wanted
                  .quic = {hop.clock.timers, system_random()},
                  .config = {},
                  .limits = {},
                  .trust = *tls::Trust::make({.insecure = true})};
  test::RecordingDial events;
  std::vector<Dialer::Free> waiting;  // for a connection to the hop
  HopDialer dialer{context,
                   "hop 1 (hop.test:443)",
                   {.free = [this] { return hop.client.get(); },
                    .when_free = [this](Dialer::Free free) { waiting.push_back(std::move(free)); }},
                   *masque::ProxyTemplate::parse("https://hop.test"),
                   false,
                   "secret"};
};

TEST_F(HopDialerTest, AsksForTheTunnelThatTheSecurityWants) {
  hop.clock.pass(1ms);
  const auto tcp = dial(Layer::tls);
  const http::Request connect = hop.requests.last().request;
  EXPECT_EQ(connect.method, "CONNECT");
  EXPECT_EQ(connect.protocol, "");
  EXPECT_EQ(connect.authority, "origin.test:443");
  EXPECT_EQ(connect.fields.find("proxy-authorization"), "Bearer secret");
  EXPECT_EQ(tcp->tried().name, "CONNECT");

  const auto quic = dial(Layer::quic);
  const http::Request connect_udp = hop.requests.last().request;
  EXPECT_EQ(connect_udp.protocol, "connect-udp");
  EXPECT_EQ(connect_udp.path, "/.well-known/masque/udp/origin.test/443/");
  EXPECT_EQ(connect_udp.fields.find("authorization"), "Bearer secret");
  EXPECT_EQ(quic->tried().name, "CONNECT-UDP");
  EXPECT_TRUE(quic->tried().tunnel_size);
  EXPECT_THAT(world.names, IsEmpty()) << "the hop finds the address";
}

TEST_F(HopDialerTest, AsksForAnAddressThatIsKnown) {
  hop.clock.pass(1ms);
  const auto tcp =
      dial(Layer::plain, {"origin.test", 80, "origin", {*net::SocketAddress::parse("192.0.2.7:80")}});
  EXPECT_EQ(hop.requests.last().request.authority, "192.0.2.7:80");
}

TEST_F(HopDialerTest, KnowsWhatTheHopIsConnectedTo) {
  hop.requests.then = [](http::Exchange& exchange, http::test::RecordingExchange&) {
    exchange.respond({.status = 200, .fields = {{"proxy-status", "p; next-hop=\"192.0.2.7:443\""}}});
  };
  hop.clock.pass(1ms);
  const auto dialled = dial(Layer::plain);
  LinkFigures measured;
  dialled->measure(measured);
  EXPECT_EQ(measured.address, "192.0.2.7:443");
}

TEST_F(HopDialerTest, KnowsWhyTheHopRefused) {
  hop.requests.then = [](http::Exchange& exchange, http::test::RecordingExchange&) {
    exchange.respond({.status = 403}, true);
  };
  hop.clock.pass(1ms);
  const auto dialled = dial(Layer::tls);
  EXPECT_EQ(events.ended, 1);
  const Tried tried = dialled->tried();
  ASSERT_TRUE(tried.is_refused());
  EXPECT_EQ(tried.tunnel_error->code, 403u);
}

TEST_F(HopDialerTest, NamesItsHopAndWaitsForAConnectionToIt) {
  EXPECT_EQ(dialer.hop(), "hop 1 (hop.test:443)");
  std::vector<bool> told;
  dialer.when_free([&told](Result<> free) { told.push_back(free.has_value()); });
  dialer.when_free([&told](Result<> free) { told.push_back(free.has_value()); });
  EXPECT_THAT(told, IsEmpty());
  ASSERT_EQ(waiting.size(), 2u);
  waiting[0]({});
  waiting[1](fail(ErrorKind::refused, "hop 1 (hop.test:443): nobody listens there"));
  EXPECT_THAT(told, ElementsAre(true, false));
}

}  // namespace
}  // namespace sallyport::dial
