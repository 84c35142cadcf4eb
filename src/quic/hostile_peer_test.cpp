// Frames from a hostile peer, in correctly protected packets: the connection is closed with the RFC's error
// code.
#include "quic/application_for_test.h"
#include "quic/packet_forge_for_test.h"

#include <map>

#include <gtest/gtest.h>

namespace sallyport::quic {
namespace {

using test::append;
using test::append_varint;
using test::frame;
using test::Octets;
using test::PacketForge;

// RFC 9000 §20.1
constexpr std::uint64_t flow_control_error = 0x03, stream_limit_error = 0x04, stream_state_error = 0x05,
                        final_size_error = 0x06, frame_encoding_error = 0x07,
                        connection_id_limit_error = 0x09, protocol_violation = 0x0a,
                        crypto_buffer_exceeded = 0x0d;
constexpr std::uint64_t unexpected_message = 0x10a;  // as RFC 9001 §6 writes TLS's alert 10

/// An established pair with known client keys, so packets can be forged in the client's name.
struct Impersonated : test::Pair {
  std::shared_ptr<test::SecretCatcher> secrets = std::make_shared<test::SecretCatcher>();
  Octets server_id;
  std::uint32_t number = 1000;
  std::size_t answers = 0;

  explicit Impersonated(const Config& server_config = {}) {
    server_options.config = server_config;
    environment.key_log = secrets;
    link.client.filter = [this](Bytes datagram) {
      if ((datagram[0] & 0x80) == 0) server_id.assign(datagram.begin() + 1, datagram.begin() + 9);
      return true;
    };
    EXPECT_TRUE(establish());
    simulation.run_for(1s);
    // The real client would treat ACKs of packets it never sent as an error.
    link.server.filter = [this](Bytes) {
      ++answers;
      return false;
    };
  }
  void inject(const Octets& frames) {
    inject_from(link.client.net_path().local, frames);
    simulation.run_for(0s);
  }
  /// Without the turn's end. Returns how many bytes it was.
  std::size_t inject_from(const net::SocketAddress& from, const Octets& frames) {
    const PacketForge forge(secrets->secret("CLIENT_TRAFFIC_SECRET_0"));
    const Octets packet = forge.short_packet(server_id, number++, frames);
    link.server.inject(from, packet);
    return packet.size();
  }
  /// The transport error that the server closed with.
  std::optional<std::uint64_t> close_code() const {
    if (!server_closed) return std::nullopt;
    EXPECT_EQ(server_closed->by, Closed::By::us);
    EXPECT_FALSE(server_closed->application);
    return server_closed->code;
  }
};

Octets stream_frame(std::uint64_t id, std::uint64_t offset, std::size_t size, bool fin) {
  Octets out = frame({fin ? 0x0fu : 0x0eu, id, offset, size});
  out.resize(out.size() + size, 'x');
  return out;
}

TEST(HostilePeer, ForgedPacketsAreTakenForTheClients) {
  Impersonated pair;
  pair.inject(stream_frame(0, 0, 5, true));
  EXPECT_EQ(pair.server_application().streams[0].received, "xxxxx");
}

TEST(HostilePeer, TruncatedFrames) {
  for (const Octets& frames : {Octets{0x02, 0x40}, Octets{0x0e, 0x00, 0xc0}, Octets{0x31, 0x40, 0xff, 1},
                               Octets{0x18, 1, 0, 8, 1}, Octets{0x1a, 1, 2, 3}, Octets{0x40}, Octets{0x21}}) {
    Impersonated pair;
    pair.inject(frames);
    EXPECT_EQ(pair.close_code(), frame_encoding_error);
  }
}

TEST(HostilePeer, AcknowledgementOfPacketsNeverSent) {
  Impersonated pair;
  pair.inject(frame({0x02, 1'000'000, 0, 0, 0}));
  EXPECT_EQ(pair.close_code(), protocol_violation);
}

TEST(HostilePeer, AcknowledgementOfEverythingCostsNoTime) {
  Impersonated pair;
  pair.inject(frame({0x02, varint_max, 0, 0, varint_max}));
  EXPECT_EQ(pair.close_code(), protocol_violation);
}

TEST(HostilePeer, CryptoFarAhead) {
  Impersonated pair;
  Octets frames = frame({0x06, 1'000'000, 4});
  frames.resize(frames.size() + 4);
  pair.inject(frames);
  EXPECT_EQ(pair.close_code(), crypto_buffer_exceeded);
}

TEST(HostilePeer, TlsMessagesAfterTheHandshake) {
  // KeyUpdate and Finished, whole and begun.
  for (const Octets& message : {Octets{24, 0, 0, 1, 0}, Octets{20, 0, 0, 1, 7}, Octets{24}}) {
    Impersonated pair;
    Octets frames = frame({0x06, 0, message.size()});
    append(frames, message);
    pair.inject(frames);
    EXPECT_EQ(pair.close_code(), unexpected_message);
  }
}

TEST(HostilePeer, FinalSizeChanges) {
  Impersonated pair;
  pair.inject(stream_frame(0, 0, 10, true));
  pair.inject(stream_frame(0, 0, 12, true));
  EXPECT_EQ(pair.close_code(), final_size_error);
}

TEST(HostilePeer, ResetWithAnotherFinalSize) {
  Impersonated pair;
  pair.inject(stream_frame(0, 0, 10, false));
  pair.inject(frame({0x04, 0, 7, 5}));
  EXPECT_EQ(pair.close_code(), final_size_error);
}

TEST(HostilePeer, StreamFlowControlExceeded) {
  Impersonated pair;
  pair.inject(stream_frame(0, pair.server_options.config.initial_stream_window, 1, false));
  EXPECT_EQ(pair.close_code(), flow_control_error);
}

/// Streams that each keep to their own window.
TEST(HostilePeer, ConnectionFlowControlExceeded) {
  Config config;
  config.initial_connection_window = 100'000;
  config.initial_stream_window = 60'000;
  for (const Octets& second :
       {stream_frame(4, 50'000, 1, false), frame({0x04, 4, 7, 50'000}), frame({0x04, 4, 7, 59'999})}) {
    Impersonated pair(config);
    pair.inject(stream_frame(0, 59'998, 1, false));
    EXPECT_FALSE(pair.server_closed);
    pair.inject(second);
    EXPECT_EQ(pair.close_code(), flow_control_error);
  }
}

TEST(HostilePeer, ResetBeyondTheStreamsWindow) {
  Impersonated pair;
  pair.inject(frame({0x04, 0, 7, pair.server_options.config.initial_stream_window + 1}));
  EXPECT_EQ(pair.close_code(), flow_control_error);
}

TEST(HostilePeer, TooManyStreams) {
  Impersonated pair;
  pair.inject(stream_frame(4 * pair.server_options.config.peer_bidirectional_streams, 0, 1, false));
  EXPECT_EQ(pair.close_code(), stream_limit_error);
}

TEST(HostilePeer, DataOnAStreamOfOurs) {
  Impersonated pair;
  pair.inject(stream_frame(1, 0, 1, false));
  EXPECT_EQ(pair.close_code(), stream_state_error);
}

TEST(HostilePeer, HandshakeDoneFromAClient) {
  Impersonated pair;
  pair.inject(frame({0x1e}));
  EXPECT_EQ(pair.close_code(), protocol_violation);
}

TEST(HostilePeer, FloodOfNewConnectionIds) {
  Impersonated pair;
  for (std::uint64_t sequence = 100; sequence < 150; ++sequence) {
    Octets frames = frame({0x18, sequence, 0, 8});
    frames.resize(frames.size() + 24, static_cast<std::uint8_t>(sequence));
    pair.inject(frames);
  }
  EXPECT_EQ(pair.close_code(), connection_id_limit_error);
}

/// Each retires the one before, for which it wants a RETIRE_CONNECTION_ID.
TEST(HostilePeer, FloodOfNewConnectionIdsThatRetireTheOthers) {
  Impersonated pair;
  for (std::uint64_t sequence = 100; sequence < 200; ++sequence) {
    Octets frames = frame({0x18, sequence, sequence, 8});
    frames.resize(frames.size() + 24, static_cast<std::uint8_t>(sequence));
    pair.inject(frames);
  }
  EXPECT_EQ(pair.close_code(), connection_id_limit_error);
}

/// Each makes the server give another one.
TEST(HostilePeer, FloodOfRetirementsKeepsFewIds) {
  Impersonated pair;
  for (std::uint64_t sequence = 1; sequence <= 7; ++sequence) {
    pair.inject(frame({0x19, sequence}));
    EXPECT_LE(pair.endpoint->stats().connection_ids, 9u) << sequence;
  }
  // No more than it keeps; the next is not given yet.
  EXPECT_TRUE(pair.server().is_established());
  for (std::uint64_t sequence = 1; sequence <= 7; ++sequence) pair.inject(frame({0x19, sequence}));
  EXPECT_TRUE(pair.server().is_established());
  pair.inject(frame({0x19, 8}));
  EXPECT_EQ(pair.close_code(), protocol_violation);
  pair.simulation.run_for(60s);
  EXPECT_EQ(pair.endpoint->stats().connection_ids, 0u);
}

TEST(HostilePeer, RetirementOfAnIdNeverGiven) {
  Impersonated pair;
  pair.inject(frame({0x19, 1000}));
  EXPECT_EQ(pair.close_code(), protocol_violation);
}

TEST(HostilePeer, FloodOfPathChallengesIsAnsweredALittle) {
  Impersonated pair;
  Octets frames;
  for (int i = 0; i < 100; ++i) {
    frames.push_back(0x1a);
    frames.resize(frames.size() + 8, static_cast<std::uint8_t>(i));
  }
  pair.inject(frames);
  EXPECT_LE(pair.answers, 8u);
  EXPECT_TRUE(pair.server().is_established());
}

TEST(HostilePeer, FloodOfPacketsWithPathChallengesIsAnsweredALittle) {
  Impersonated pair;
  for (int i = 0; i < 100; ++i) {
    Octets frames{0x1a};
    frames.resize(9, static_cast<std::uint8_t>(i));
    pair.inject_from(pair.link.client.net_path().local, frames);
  }
  pair.simulation.run_for(0s);
  EXPECT_GT(pair.answers, 0u);
  EXPECT_LE(pair.answers, 8u);
  EXPECT_TRUE(pair.server().is_established());
}

TEST(HostilePeer, PathChallengesFromManyAddressesAreAnsweredThreefoldAtMost) {
  Impersonated pair;
  std::map<std::string, std::size_t> received, answered;
  pair.link.server.watch = [&](const net::SocketAddress& to, Bytes datagram) {
    answered[to.to_string()] += datagram.size();
  };
  for (int i = 1; i <= 100; ++i) {
    Octets frames{0x1a};
    frames.resize(9, static_cast<std::uint8_t>(i));
    const auto from = *net::SocketAddress::parse("203.0.113." + std::to_string(i) + ":4444");
    received[from.to_string()] = pair.inject_from(from, frames);
    pair.simulation.run_for(0s);
  }
  pair.simulation.run_for(5s);
  EXPECT_FALSE(answered.empty());
  for (const auto& [address, bytes] : received) EXPECT_LE(answered[address], 3 * bytes) << address;
  EXPECT_TRUE(pair.server().is_established());
  EXPECT_EQ(pair.server().path().remote, pair.link.client.net_path().local);
}

TEST(HostilePeer, ConnectionCloseGetsNoAnswer) {
  Impersonated pair;
  pair.inject(frame({0x1c, 0, 0, 0}));
  EXPECT_EQ(pair.endpoint->stats().connections, 0u);
  for (int i = 0; i < 10; ++i) pair.inject(frame({0x01}));
  EXPECT_EQ(pair.answers, 0u);
}

TEST(HostilePeer, StopSendingIsToldOnceForAStream) {
  Impersonated pair;
  pair.inject(stream_frame(0, 0, 5, false));
  pair.inject(frame({0x05, 0, 77}));
  EXPECT_EQ(pair.server_application().streams[0].stop_code, 77u);
  pair.inject(frame({0x05, 4000, 77}));  // no such stream may exist
  EXPECT_EQ(pair.close_code(), stream_limit_error);
  EXPECT_EQ(pair.endpoint->stats().connections, 0u);
}

}  // namespace
}  // namespace sallyport::quic
