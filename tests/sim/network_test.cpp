// The simulated network itself: what it does to datagrams is what its profiles say.
#include "network.h"

#include <map>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

struct Receiver final : net::DatagramReceiver {
  explicit Receiver(Network& its_network) : network(its_network) {}
  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time now) override {
    runs.push_back(run.count());
    from = path.remote;
    marked += run.ecn == net::Ecn::ce ? run.count() : 0;
    if (run.bytes.empty()) payloads.emplace_back();
    run.for_each([&](Bytes datagram) {
      payloads.emplace_back(as_text(datagram));
      times.push_back(now - network.start());
    });
  }
  void on_unreachable(net::Unreachable, const Error& why) override { unreachable = why; }

  Network& network;
  net::SocketAddress from;
  std::vector<std::string> payloads;
  std::vector<Duration> times;
  std::vector<std::size_t> runs;
  std::size_t marked = 0;
  std::optional<Error> unreachable;
};

/// A client's socket connected to a server's; links without limits and delay but 10 ms on the client's way
/// up.
struct Line {
  Line() {
    for (Host* host : {&client, &server})
      for (Link* link : {&host->up, &host->down}) {
        link->profile.delay = {};
        link->profile.bits_per_second = 0;
      }
    client.up.profile.delay = 10ms;
    listening->set_receiver(&received);
    sending->set_receiver(&answered);
  }
  void send(std::string_view datagram, net::Ecn ecn = net::Ecn::not_ect) {
    sending->send({}, {as_bytes(datagram), std::max<std::size_t>(1, datagram.size()), ecn});
  }

  Network network{1};
  Host& client = network.add_host("client");
  Host& server = network.add_host("server");
  Receiver received{network}, answered{network};
  std::unique_ptr<Socket> listening = server.listen(443);
  std::unique_ptr<net::DatagramPath> sending = *client.open_udp({server.address(), 443});
};

TEST(Network, DelaysAndAnswers) {
  Line line;
  line.send("ping");
  line.network.run_for(1s);
  ASSERT_EQ(line.received.payloads, std::vector<std::string>{"ping"});
  EXPECT_EQ(line.received.times.front(), 10ms);
  line.listening->send({{}, line.received.from}, {as_bytes(std::string_view("pong")), 4});
  line.network.run_for(1s);
  EXPECT_EQ(line.answered.payloads, std::vector<std::string>{"pong"});
}

TEST(Network, CarriesEmptyDatagrams) {
  Line line;
  line.send("");
  line.network.run_for(1s);
  EXPECT_EQ(line.received.payloads, std::vector<std::string>{""});
}

TEST(Network, DeliversWhatComesTogetherAsARun) {
  Line line;
  line.sending->send({}, {as_bytes(std::string_view("aaaabbbbcc")), 4});
  line.network.run_for(1s);
  EXPECT_EQ(line.received.payloads, (std::vector<std::string>{"aaaa", "bbbb", "cc"}));
  EXPECT_EQ(line.received.runs, (std::vector<std::size_t>{2, 1}));
}

TEST(Network, SendsAtItsRateAndDropsWhatDoesNotQueue) {
  Line line;
  line.client.up.profile.bits_per_second = 8e6;  // a byte a microsecond
  line.client.up.profile.queue_bytes = 2500;
  for (int i = 0; i < 4; ++i) line.send(std::string(972, static_cast<char>('a' + i)));  // 1,000 with headers
  line.network.run_for(1s);
  EXPECT_EQ(line.received.times, (std::vector<Duration>{11ms, 12ms}));
  EXPECT_EQ(line.client.up.counters().queue_full, 2u);
}

TEST(Network, SwallowsWhatIsTooLarge) {
  Line line;
  line.client.up.profile.mtu = 1000;
  line.send(std::string(972, 'a'));
  line.send(std::string(973, 'b'));
  line.network.run_for(1s);
  ASSERT_EQ(line.received.payloads.size(), 1u);
  EXPECT_EQ(line.client.up.counters().too_large, 1u);
}

TEST(Network, MarksOnlyWhatMayBeMarked) {
  Line line;
  line.client.up.profile.bits_per_second = 8e6;
  line.client.up.profile.mark_above = 1500;
  for (int i = 0; i < 5; ++i) line.send(std::string(972, 'a'), i < 4 ? net::Ecn::ect0 : net::Ecn::not_ect);
  line.network.run_for(1s);
  EXPECT_EQ(line.received.payloads.size(), 5u);
  EXPECT_EQ(line.received.marked, 2u);  // the third and fourth met a queue of 2,000 and 3,000 bytes
}

TEST(Network, LosesReordersCorruptsAndDuplicatesAsOftenAsItSays) {
  Line line;
  LinkProfile& profile = line.client.up.profile;
  profile.loss = 0.1;
  profile.corrupt = 0.1;
  profile.duplicate = 0.1;
  profile.reorder = 0.1;
  constexpr int sent = 10'000;
  for (int i = 0; i < sent; ++i)
    line.network.after(i * 100us, [&line, i] { line.send(fmt::format("{:08}", i)); });
  line.network.run_for(10s);
  std::map<std::string, int> seen;
  int late = 0;
  std::string highest;
  for (const std::string& payload : line.received.payloads) {
    if (payload < highest) ++late;
    highest = std::max(highest, payload);
    ++seen[payload];
  }
  int lost_or_corrupt = 0, twice = 0;
  for (int i = 0; i < sent; ++i) {
    const auto found = seen.find(fmt::format("{:08}", i));
    lost_or_corrupt += found == seen.end();
    twice += found != seen.end() && found->second == 2;
  }
  EXPECT_NEAR(lost_or_corrupt, sent * 0.19 * 0.92, sent * 0.02);  // a second copy saves some
  EXPECT_NEAR(twice, sent * 0.1 * 0.66, sent * 0.02);
  EXPECT_NEAR(static_cast<double>(line.client.up.counters().reordered), sent * 0.1, sent * 0.02);
  EXPECT_GT(late, sent / 20);
}

TEST(Network, JitterKeepsTheOrder) {
  Line line;
  line.client.up.profile.jitter = 5ms;
  for (int i = 0; i < 100; ++i)
    line.network.after(i * 100us, [&line, i] { line.send(fmt::format("{:08}", i)); });
  line.network.run_for(1s);
  ASSERT_EQ(line.received.payloads.size(), 100u);
  EXPECT_TRUE(std::is_sorted(line.received.payloads.begin(), line.received.payloads.end()));
  EXPECT_GT(line.received.times.back(), 100 * 100us + 10ms);
}

TEST(Network, RebindingChangesWhatTheServerSees) {
  Line line;
  line.send("one");
  line.network.run_for(1s);
  const net::SocketAddress before = line.received.from;
  line.client.rebind_ports();
  line.send("two");
  line.network.run_for(1s);
  EXPECT_NE(line.received.from, before);
  EXPECT_EQ(line.received.from.ip(), before.ip());
  line.listening->send({{}, before}, {as_bytes(std::string_view("old")), 3});
  line.listening->send({{}, line.received.from}, {as_bytes(std::string_view("new")), 3});
  line.network.run_for(1s);
  EXPECT_EQ(line.answered.payloads, std::vector<std::string>{"new"});
}

TEST(Network, ClosedPortIsReported) {
  Line line;
  line.listening.reset();
  line.send("anybody there?");
  line.network.run_for(1s);
  ASSERT_TRUE(line.answered.unreachable);
  EXPECT_EQ(line.answered.unreachable->kind, ErrorKind::refused);
}

TEST(Network, TellsNothingOfAHostThatIsDown) {
  Line line;
  line.server.set_down(true);
  line.send("anybody there?");
  line.network.run_for(1s);
  EXPECT_FALSE(line.answered.unreachable);
  EXPECT_TRUE(line.received.payloads.empty());
}

}  // namespace
}  // namespace sallyport::sim
