#include "net/steering.h"

#include "base/unique_fd.h"
#include "net/address.h"
#include "net/socket_calls.h"
#include "net/udp_open.h"

#include <array>
#include <optional>
#include <vector>

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

constexpr std::size_t id_length = 8;
constexpr std::size_t worker_offset = 2;

/// Three sockets of one group with steering to the first `workers` numbers, and a client.
class SteeringTest : public testing::Test {
 protected:
  SteeringTest() {
    UdpSocketOptions options;
    options.reuse_port = true;
    SocketAddress address = SocketAddress::parse("127.0.0.1:0").value();
    for (UniqueFd& worker : workers_) {
      worker = std::move(*open_bound_udp(address, options));
      address = local_address(worker.get());
    }
    EXPECT_TRUE(attach_connection_id_steering(workers_[1].get(), workers_.size(), worker_offset, id_length));
    client_ = std::move(*open_connected_udp(address, {}));
  }

  /// Which worker got it.
  int worker_of(const std::vector<std::uint8_t>& packet) {
    EXPECT_EQ(::send(client_.get(), packet.data(), packet.size(), 0), static_cast<ssize_t>(packet.size()));
    std::array<pollfd, 3> waiting{};
    for (std::size_t i = 0; i < 3; ++i)
      waiting[i] = {.fd = workers_[i].get(), .events = POLLIN, .revents = 0};
    EXPECT_GT(::poll(waiting.data(), waiting.size(), 60'000), 0);
    int found = -1;
    for (int i = 0; i < 3; ++i) {
      std::array<std::uint8_t, 2048> buffer{};
      if (::recv(workers_[static_cast<std::size_t>(i)].get(), buffer.data(), buffer.size(), MSG_DONTWAIT) < 0)
        continue;
      EXPECT_EQ(found, -1);
      found = i;
    }
    return found;
  }

  static std::vector<std::uint8_t> id_for(int worker) {
    std::vector<std::uint8_t> id(id_length, 0xaa);
    id[worker_offset] = static_cast<std::uint8_t>(worker);
    return id;
  }
  static std::vector<std::uint8_t> short_packet(int worker) {
    std::vector<std::uint8_t> packet{0x40};
    const auto id = id_for(worker);
    packet.insert(packet.end(), id.begin(), id.end());
    packet.resize(50, 0x11);
    return packet;
  }
  static std::vector<std::uint8_t> long_packet(std::uint8_t type, std::uint32_t version, int worker,
                                               std::uint8_t length = id_length) {
    std::vector<std::uint8_t> packet{static_cast<std::uint8_t>(0xc0 | type << 4)};
    for (int shift = 24; shift >= 0; shift -= 8)
      packet.push_back(static_cast<std::uint8_t>(version >> shift));
    packet.push_back(length);
    const auto id = id_for(worker);
    packet.insert(packet.end(), id.begin(), id.end());
    packet.resize(60, 0x11);
    return packet;
  }

  std::array<UniqueFd, 3> workers_;
  UniqueFd client_;
};

constexpr std::uint32_t v1 = 1;
constexpr std::uint32_t v2 = 0x6b3343cf;

TEST_F(SteeringTest, ShortHeadersGoToTheNamedWorker) {
  for (const int worker : {0, 1, 2}) EXPECT_EQ(worker_of(short_packet(worker)), worker);
}

TEST_F(SteeringTest, HandshakePacketsOfBothVersionsGoToTheNamedWorker) {
  for (const int worker : {0, 1, 2}) {
    EXPECT_EQ(worker_of(long_packet(2, v1, worker)), worker);
    EXPECT_EQ(worker_of(long_packet(3, v2, worker)), worker);
  }
}

TEST_F(SteeringTest, EverythingElseStaysWhereTheHashPutsIt) {
  const int hashed = worker_of({0x40});  // too short for an ID
  ASSERT_NE(hashed, -1);
  for (const int worker : {0, 1, 2}) {
    for (const std::uint8_t type : {0, 1, 3}) EXPECT_EQ(worker_of(long_packet(type, v1, worker)), hashed);
    for (const std::uint8_t type : {0, 1, 2}) EXPECT_EQ(worker_of(long_packet(type, v2, worker)), hashed);
    EXPECT_EQ(worker_of(long_packet(2, 0x1a2a3a4a, worker)), hashed);
    EXPECT_EQ(worker_of(long_packet(2, v1, worker, id_length - 1)), hashed);
    std::vector<std::uint8_t> cut = long_packet(2, v1, worker);
    cut.resize(6 + id_length - 1);
    EXPECT_EQ(worker_of(cut), hashed);
    cut = short_packet(worker);
    cut.resize(id_length);
    EXPECT_EQ(worker_of(cut), hashed);
  }
  EXPECT_EQ(worker_of(short_packet(3)), hashed);
  EXPECT_EQ(worker_of(short_packet(255)), hashed);
}

TEST_F(SteeringTest, ShortestPacketsThatCarryAnIdAreSteered) {
  for (const int worker : {0, 1, 2}) {
    std::vector<std::uint8_t> packet = short_packet(worker);
    packet.resize(1 + id_length);
    EXPECT_EQ(worker_of(packet), worker);
    packet = long_packet(2, v1, worker);
    packet.resize(6 + id_length);
    EXPECT_EQ(worker_of(packet), worker);
  }
}

TEST(Steering, SaysWhenTheSocketIsOfNoGroup) {
  const UniqueFd alone = std::move(*open_bound_udp(SocketAddress::parse("127.0.0.1:0").value(), {}));
  const auto attached = attach_connection_id_steering(alone.get(), 2, 0, 8);
  ASSERT_FALSE(attached);
  EXPECT_NE(attached.error().message.find("connection ID"), std::string::npos);
}

}  // namespace
}  // namespace sallyport::net
