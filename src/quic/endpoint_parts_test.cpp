// The parts of an Endpoint: connection IDs and their table, rate limits, address tokens; and the datagram
// queue.
#include "quic/address_token.h"
#include "quic/config.h"
#include "quic/id_map.h"
#include "quic/native.h"
#include "quic/rate_limit.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

const Time start(1000s);
const WallTime made_at(1'000'000s);
const net::SocketAddress client = *net::SocketAddress::parse("192.0.2.1:1000");
const net::SocketAddress other_port = *net::SocketAddress::parse("192.0.2.1:1001");
const net::SocketAddress other_host = *net::SocketAddress::parse("192.0.2.7:1000");

TEST(ConnectionId, NamesItsOwner) {
  SeededRandom random(1);
  const ConnectionIdOwner owner{.server = 0x1234, .worker = 7};
  std::set<ConnectionIdLayout::Id> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(ConnectionIdLayout::make(owner, random));
  EXPECT_EQ(ids.size(), 1000u);
  for (const auto& id : ids) EXPECT_EQ(ConnectionIdLayout::owner_of(id), owner);
  EXPECT_EQ((*ids.begin())[ConnectionIdLayout::worker_offset], 7);
  EXPECT_FALSE(ConnectionIdLayout::owner_of(Bytes(*ids.begin()).first(7)));
}

TEST(NativePath, DifferentAddressesStayDifferent) {
  std::vector<net::SocketAddress> addresses;
  for (const char* ip : {"192.0.2.0", "192.0.2.1", "192.0.3.0", "[2001:db8::]", "[2001:db8::1]"})
    for (const char* port : {":0", ":1", ":256", ":257"})
      addresses.push_back(*net::SocketAddress::parse(std::string(ip) + port));
  for (const auto& one : addresses) {
    const net::NetPath path{client, one};
    EXPECT_EQ(to_net_path(*NativePath(path).get()), path);
    for (const auto& other : addresses) {
      const NativePath native({client, other});
      EXPECT_EQ(same_path(*native.get(), path), one == other) << one.to_string() << other.to_string();
      EXPECT_EQ(ngtcp2_path_eq(native.get(), NativePath(path).get()) != 0, one == other);
    }
  }
}

TEST(IdMap, BehavesLikeAMap) {
  SeededRandom random(3);
  IdMap<int> map(random);
  std::map<std::uint64_t, int*> model;
  std::vector<int> values(64);
  for (int step = 0; step < 20'000; ++step) {
    const std::uint64_t key = 1 + random.below(500);
    int* value = &values[random.below(values.size())];
    if (random.below(3) != 0) {
      map.set(key, value);
      model[key] = value;
    } else {
      map.erase(key);
      model.erase(key);
    }
    const std::uint64_t asked = 1 + random.below(500);
    const auto expected = model.find(asked);
    ASSERT_EQ(map.find(asked), expected == model.end() ? nullptr : expected->second) << step;
    ASSERT_EQ(map.size(), model.size());
  }
}

TEST(IdMap, TellsIdsOfAllLengthsApart) {
  SeededRandom random(3);
  IdMap<int> map(random);
  std::set<std::uint64_t> keys;
  const std::array<std::uint8_t, 20> zeroes{};
  for (std::size_t length = 0; length <= 20; ++length) keys.insert(map.key_of(Bytes(zeroes).first(length)));
  EXPECT_EQ(keys.size(), 21u);
  EXPECT_FALSE(keys.contains(0));
}

TEST(RateLimit, AllowsABurstThenARate) {
  RateLimit limit(10, 5);
  int allowed = 0;
  for (int i = 0; i < 100; ++i) allowed += limit.allow(start);
  EXPECT_EQ(allowed, 5);
  for (int i = 0; i < 100; ++i) allowed += limit.allow(start + 1ms * (10 * i));
  EXPECT_GE(allowed, 5 + 9);
  EXPECT_LE(allowed, 5 + 10);
  EXPECT_TRUE(limit.allow(start + 100s));
}

struct Tokens {
  AddressTokens tokens{tls::ServerSecret::random(), std::make_shared<tls::ReplayRecord>()};
  std::vector<std::uint8_t> retry_id_bytes{1, 2, 3, 4, 5, 6, 7, 8},
      original_bytes{8, 7, 6, 5, 4, 3, 2, 1, 0, 9};
  ngtcp2_cid retry_id = to_native_id(retry_id_bytes), original = to_native_id(original_bytes), found{};

  AddressTokens::Verdict check(const std::vector<std::uint8_t>& token, const net::SocketAddress& from,
                               WallTime now, std::uint32_t version = version_1) {
    ngtcp2_pkt_hd initial{};
    initial.version = version;
    initial.dcid = retry_id;
    initial.token = token.data();
    initial.tokenlen = token.size();
    return tokens.check(initial, from, now, found);
  }
};
using Verdict = AddressTokens::Verdict;

TEST(AddressToken, RetryIsBoundToAddressVersionIdAndTime) {
  Tokens world;
  const auto token = world.tokens.make_retry(version_1, client, world.retry_id, world.original, made_at);
  EXPECT_EQ(world.check(token, client, made_at + 9s), Verdict::after_retry);
  EXPECT_TRUE(ngtcp2_cid_eq(&world.found, &world.original));
  EXPECT_EQ(world.check(token, client, made_at + 11s), Verdict::invalid_retry);
  EXPECT_EQ(world.check(token, other_port, made_at), Verdict::invalid_retry);
  EXPECT_EQ(world.check(token, client, made_at, version_2), Verdict::invalid_retry);
  world.retry_id.data[0] ^= 1;
  EXPECT_EQ(world.check(token, client, made_at), Verdict::invalid_retry);
}

TEST(AddressToken, NewTokenIsBoundToHostVersionAndTime) {
  Tokens world;
  const auto make = [&] { return world.tokens.make_new_token(version_1, client, made_at); };
  EXPECT_EQ(world.check(make(), client, made_at + 59min), Verdict::proven);
  EXPECT_EQ(world.check(make(), other_port, made_at), Verdict::proven);
  EXPECT_EQ(world.check(make(), other_host, made_at), Verdict::absent);
  EXPECT_EQ(world.check(make(), client, made_at + 61min), Verdict::absent);
  EXPECT_EQ(world.check(make(), client, made_at, version_2), Verdict::absent);
}

TEST(AddressToken, NewTokenIsGoodOnceForAllWhoShareTheRecord) {
  const auto secret = tls::ServerSecret::random();
  const auto used = std::make_shared<tls::ReplayRecord>();
  Tokens world{.tokens{secret, used}}, worker{.tokens{secret, used}};
  const auto token = world.tokens.make_new_token(version_1, client, made_at);
  // Whom it does not belong to cannot use it up.
  EXPECT_EQ(world.check(token, other_host, made_at), Verdict::absent);
  EXPECT_EQ(world.check(token, client, made_at), Verdict::proven);
  EXPECT_EQ(world.check(token, client, made_at), Verdict::absent);
  // It is remembered for as long as it is valid.
  EXPECT_EQ(worker.check(token, client, made_at + 59min), Verdict::absent);
  const auto another = world.tokens.make_new_token(version_1, client, made_at);
  EXPECT_EQ(worker.check(another, client, made_at), Verdict::proven);
}

TEST(AddressToken, DamagedOnesAreNotBelieved) {
  Tokens world;
  for (const auto& token :
       {world.tokens.make_retry(version_1, client, world.retry_id, world.original, made_at),
        world.tokens.make_new_token(version_1, client, made_at)}) {
    for (std::size_t i = 0; i < token.size(); ++i) {
      auto damaged = token;
      damaged[i] ^= 0x40;
      const Verdict verdict = world.check(damaged, client, made_at);
      EXPECT_TRUE(verdict == Verdict::absent || verdict == Verdict::invalid_retry) << i;
      const std::vector<std::uint8_t> cut(token.begin(), token.begin() + static_cast<std::ptrdiff_t>(i));
      const Verdict cut_verdict = world.check(cut, client, made_at);
      EXPECT_TRUE(cut_verdict == Verdict::absent || cut_verdict == Verdict::invalid_retry) << i;
    }
  }
}

TEST(AddressToken, AnotherDeploymentsTokenIsForeign) {
  Tokens ours, theirs;
  EXPECT_EQ(ours.check(theirs.tokens.make_new_token(version_1, client, made_at), client, made_at),
            Verdict::absent);
}

}  // namespace
}  // namespace sallyport::quic
