// Datagrams from anybody to a QUIC server: connection-ID routing, version negotiation, Retry, stateless
// resets. The input is cut into datagrams by a length byte pair each. Nothing may come back in a larger
// amount than the rules of amplification allow.
#include "quic/endpoint.h"

#include <cstdlib>

namespace {

using namespace sallyport;

void require(bool condition) {
  if (!condition) std::abort();
}

struct Ignore final : quic::Application {
  void on_established(Time) override {}
  Result<> on_stream_data(quic::StreamId, Bytes, bool) override { return {}; }
  Result<> on_stream_reset(quic::StreamId, std::uint64_t) override { return {}; }
  Result<> on_stop_sending(quic::StreamId, std::uint64_t) override { return {}; }
  void on_stream_closed(quic::StreamId, std::uint64_t, bool) override {}
  void on_stream_acked(quic::StreamId, std::size_t) override {}
  void on_stream_unblocked(quic::StreamId) override {}
  void on_datagram(Bytes, Time) override {}
  Result<quic::StreamData> next_stream_data() override { return quic::StreamData{}; }
  void on_stream_written(quic::StreamId, std::size_t) override {}
  void on_stream_blocked(quic::StreamId) override {}
  void on_stream_shut(quic::StreamId) override {}
  void on_closed(const quic::Closed&) override {}
};

struct Meter final : net::DatagramPath {
  void set_receiver(net::DatagramReceiver* to) override { receiver = to; }
  net::SendStatus send(const net::NetPath&, const net::DatagramRun& run) override {
    sent += run.bytes.size();
    return net::SendStatus::sent;
  }
  std::size_t max_datagram_size() const override { return 65527; }
  net::NetPath net_path() const override { return {}; }
  net::DatagramReceiver* receiver = nullptr;
  std::size_t sent = 0;
};

std::shared_ptr<const tls::ServerCredentials> credentials() {
  static const auto made = [] {
    auto pair = tls::make_self_signed({"localhost"});
    require(pair.has_value());
    auto built = tls::ServerCredentials::make({*pair});
    require(built.has_value());
    return *built;
  }();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  SeededRandom random(1);
  net::Timers timers(Time{std::chrono::hours(1)});
  Meter path;
  quic::ServerOptions options;
  options.credentials = credentials();
  quic::Endpoint endpoint({timers, random}, path, options,
                          [](quic::Connection&) { return std::make_unique<Ignore>(); });
  const net::NetPath from{*net::SocketAddress::parse("192.0.2.1:443"),
                          *net::SocketAddress::parse("192.0.2.2:50000")};

  std::size_t received = 0;
  Bytes rest{data, size};
  while (rest.size() >= 2) {
    const std::size_t length =
        std::min<std::size_t>(rest.size() - 2, static_cast<std::size_t>(rest[0] << 8 | rest[1]));
    const Bytes datagram = rest.subspan(2, length);
    rest = rest.subspan(2 + length);
    if (datagram.empty()) continue;
    received += datagram.size();
    endpoint.on_datagrams(from, {datagram, datagram.size()}, timers.now());
    timers.run_deferred();
    timers.advance(timers.now() + 10ms);
    timers.run_deferred();
  }
  require(path.sent <= 3 * received);  // RFC 9000 §8.1
  return 0;
}
