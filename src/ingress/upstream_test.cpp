#include "ingress/upstream.h"

#include "base/file.h"
#include "base/folder_for_test.h"
#include "dial/world_for_test.h"
#include "tls/authority_for_test.h"

#include <deque>
#include <string>

#include <gtest/gtest.h>

namespace sallyport::ingress {
namespace {

/// Sends a request as soon as it may, and holds the connection until the request is over.
class Asking final : public Upstream::User, http::ExchangeHandler {
 public:
  void on_connection(Upstream::Lease& lease) override {
    lease_ = &lease;
    lease.connection().request(http::test::get("/"), *this, true);
  }
  void on_no_connection(const Error& why) override { refused = why; }
  bool is_sent() const { return lease_ != nullptr; }

  std::optional<Error> refused;
  bool over = false;

 private:
  void on_body(http::Exchange& exchange, Bytes body) override { exchange.consume(body.size()); }
  void on_end(http::Exchange&) override {}
  void on_closed(http::Exchange&, const Error*) override {
    over = true;
    lease_->release();
  }
  Upstream::Lease* lease_ = nullptr;
};

class UpstreamTest : public testing::Test {
 protected:
  ~UpstreamTest() override {
    for (auto& each : asking) upstream->cancel(each);
    world.servers.clear();
    settle();
  }
  void start(config::BackendProtocol protocol, UpstreamOptions options = {}) {
    world.http2 = protocol == config::BackendProtocol::h2c;
    upstream = std::make_unique<Upstream>(
        context, graveyard, config::Backend{.protocol = protocol, .host = "backend.test", .port = 80},
        counters, options);
  }
  Asking& want() {
    asking.emplace_back();
    upstream->want(asking.back());
    settle();
    return asking.back();
  }
  void settle() {
    for (int i = 0; i < 3; ++i) world.clock.pass(Duration::zero());
  }
  /// The oldest request that has no response gets one.
  void respond() {
    http::Exchange& exchange = *world.requests.requests[responded++]->exchange;
    exchange.respond({.status = 204}, true);
    settle();
  }

  dial::test::World world{"backend.test"};
  dial::Context context = world.context();
  dial::Graveyard graveyard{context.timers()};
  std::shared_ptr<UpstreamCounters> counters = std::make_shared<UpstreamCounters>();
  std::deque<Asking> asking;
  std::size_t responded = 0;
  std::unique_ptr<Upstream> upstream;
};

TEST_F(UpstreamTest, OffersTheCertificateOfTheContextThatIsThere) {
  const tls::AuthorityForTest authority("Backends' CA");
  const FolderForTest folder;
  ASSERT_TRUE(write_file(folder / "ca.pem", world.pair.certificate_pem, 0600, IfExists::replace));
  context.trust = *tls::Trust::make({.ca_files = {folder / "ca.pem"}});
  world.over_tls = true;
  world.clients = tls::clients_of(authority);
  for (const UpstreamOptions& options : {UpstreamOptions{}, UpstreamOptions{.http1_only = true}}) {
    for (const char* name : {"one", "two"}) {
      context.certificate = *tls::OfferedCertificate::make(authority.issue(name));
      start(config::BackendProtocol::https, options);
      const Asking& asked = want();
      world.clock.settle();
      ASSERT_TRUE(asked.is_sent());
      EXPECT_EQ(world.client, std::string("CN=") + name);
      respond();
      EXPECT_TRUE(asked.over);
    }
  }
}

TEST_F(UpstreamTest, Http1HasAConnectionForEachRequest) {
  start(config::BackendProtocol::http1, {.most_connections = 2, .most_waiting = 1});
  Asking& one = want();
  Asking& two = want();
  EXPECT_TRUE(one.is_sent() && two.is_sent());
  Asking& three = want();
  EXPECT_FALSE(three.is_sent());
  EXPECT_EQ(upstream->active(), 3u);
  Asking& four = want();
  ASSERT_TRUE(four.refused);
  EXPECT_EQ(four.refused->kind, ErrorKind::resource);
  respond();
  EXPECT_TRUE(one.over);
  EXPECT_TRUE(three.is_sent()) << "the connection that became free is its";
  EXPECT_EQ(upstream->connections(), 2u);
  EXPECT_EQ(counters->connections, 2u);
  EXPECT_EQ(counters->requests, 3u);
}

TEST_F(UpstreamTest, Http2HasOneForAll) {
  start(config::BackendProtocol::h2c);
  for (int i = 0; i < 20; ++i) want();
  for (const Asking& each : asking) EXPECT_TRUE(each.is_sent());
  EXPECT_EQ(upstream->connections(), 1u);
}

TEST_F(UpstreamTest, Http2AtTheBackendsLimitGetsOneMore) {
  world.limits.max_concurrent_streams = 4;
  start(config::BackendProtocol::h2c);
  for (int i = 0; i < 6; ++i) want();
  for (const Asking& each : asking) EXPECT_TRUE(each.is_sent());
  EXPECT_EQ(upstream->connections(), 2u);
  for (int i = 0; i < 6; ++i) respond();
  for (int i = 0; i < 8; ++i) want();
  for (const Asking& each : asking) EXPECT_TRUE(each.is_sent());
  EXPECT_EQ(upstream->connections(), 2u) << "both have room again";
}

TEST_F(UpstreamTest, ABackendThatAllowsNoStreamsIsWaitedFor) {
  world.limits.max_concurrent_streams = 0;
  start(config::BackendProtocol::h2c);
  Asking& one = want();
  ASSERT_FALSE(one.is_sent());
  world.clock.pass(5s);
  EXPECT_EQ(upstream->connections(), 1u) << "others would have no streams, either";
  world.clock.pass(11s);
  ASSERT_TRUE(one.refused);
  EXPECT_EQ(one.refused->kind, ErrorKind::resource);
}

TEST_F(UpstreamTest, NobodyWaitsForEver) {
  start(config::BackendProtocol::http1, {.most_connections = 1, .most_wait = 3s});
  want();
  Asking& two = want();
  world.clock.pass(2s);
  EXPECT_FALSE(two.refused);
  world.clock.pass(2s);
  ASSERT_TRUE(two.refused);
  EXPECT_EQ(two.refused->kind, ErrorKind::resource);
  EXPECT_EQ(upstream->active(), 1u);
}

TEST_F(UpstreamTest, WhoCancelsIsNotCalled) {
  start(config::BackendProtocol::http1, {.most_connections = 1});
  want();
  Asking& two = want();
  upstream->cancel(two);
  respond();
  EXPECT_FALSE(two.is_sent());
  EXPECT_EQ(upstream->active(), 0u);
}

TEST_F(UpstreamTest, TheBackOffGrowsAndEnds) {
  start(config::BackendProtocol::http1);
  world.refuses = true;
  const auto fails = [this] {
    EXPECT_TRUE(want().refused);
    Duration down{};
    while (upstream->is_down(context.timers().now())) {
      world.clock.pass(50ms);
      down += 50ms;
    }
    return down;
  };
  const Duration first = fails(), second = fails();
  EXPECT_GE(first, 200ms);
  EXPECT_GT(second, first);
  for (int i = 0; i < 10; ++i) fails();
  EXPECT_LE(fails(), 10s);
  world.refuses = false;
  EXPECT_TRUE(want().is_sent());
  EXPECT_FALSE(upstream->is_down(context.timers().now()));
  world.refuses = true;
  want();
  EXPECT_LE(fails(), 600ms) << "it began anew";
}

TEST_F(UpstreamTest, ConnectionsThatAreIdleEnd) {
  start(config::BackendProtocol::http1);
  want();
  respond();
  EXPECT_EQ(upstream->connections(), 1u);
  world.clock.pass(61s);
  EXPECT_EQ(upstream->connections(), 0u);
}

}  // namespace
}  // namespace sallyport::ingress
