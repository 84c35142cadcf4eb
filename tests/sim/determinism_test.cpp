// The same seed gives the same simulation: every packet at the same time, between the same addresses, of the
// same size and mark. Their bytes differ, as keys come from GnuTLS, which takes no seed; nothing in a
// simulation depends on them.
#include "chain_scene.h"

#include <gtest/gtest.h>

namespace sallyport::sim {
namespace {

class TraceHash {
 public:
  void add(std::uint64_t value) {
    // FNV-1a, by words.
    hash_ = (hash_ ^ value) * 0x100000001b3;
  }
  void add(const net::SocketAddress& address) {
    const net::IpAddress ip = address.ip();
    for (const std::uint8_t octet : ip.octets()) add(octet);
    add(address.port());
  }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

struct Trace {
  std::uint64_t hash = 0, packets = 0;
  Duration taken{};
  friend bool operator==(const Trace&, const Trace&) = default;
};

Trace run(std::uint64_t seed) {
  ChainScene::Options options{.hops = 3, .seed = seed};
  options.client.config.keep_alive = 1s;
  options.client.connect_timeout = 30s;
  ChainScene scene(std::move(options));
  scene.each_link([](LinkProfile& link) {
    link.loss = link.corrupt = link.reorder = link.duplicate = 0.01;
    link.jitter = 5ms;
  });
  TraceHash hash;
  Trace trace;
  scene.network.set_filter([&](const Packet& packet) {
    hash.add(static_cast<std::uint64_t>(scene.network.elapsed().count()));
    hash.add(packet.path.local);
    hash.add(packet.path.remote);
    hash.add(packet.bytes.size());
    hash.add(static_cast<std::uint64_t>(packet.ecn));
    ++trace.packets;
    return true;
  });
  const Transfer& down = scene.download(200'000);
  const Transfer& up = scene.upload(100'000);
  scene.network.after(1s, [&] { scene.client_host().rebind_ports(); });
  EXPECT_TRUE(scene.run());
  expect_intact(down, 200'000);
  expect_intact(up, 100'000);
  scene.expect_clean_end();
  trace.hash = hash.value();
  trace.taken = scene.network.elapsed();
  return trace;
}

TEST(Determinism, SameSeedSamePackets) {
  for (const std::uint64_t seed : {1u, 2u, 3u}) {
    const Trace first = run(seed), second = run(seed);
    EXPECT_GT(first.packets, 1'000u);
    EXPECT_EQ(first.packets, second.packets) << seed;
    EXPECT_EQ(first.taken, second.taken) << seed;
    EXPECT_EQ(first.hash, second.hash) << seed;
  }
}

TEST(Determinism, AnotherSeedAnotherCourse) {
  EXPECT_NE(run(1).hash, run(2).hash);
}

}  // namespace
}  // namespace sallyport::sim
