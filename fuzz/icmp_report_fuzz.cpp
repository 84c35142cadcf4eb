// An IP packet that a hop may have sent, read as an ICMP error and taken by UDP flows without a kernel:
// whatever is read lies within it, and no flow believes what is not about it.
#include "base/random.h"
#include "masque/udp_over_ip.h"
#include "net/icmp_report.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace {

using namespace sallyport;

void require(bool condition) {
  if (!condition) std::abort();
}

/// So that the flow's source port is 49152, which the corpus has.
class NoRandom final : public Random {
 public:
  void fill(MutableBytes out) override { std::ranges::fill(out, std::uint8_t{0}); }
};

class Port final : public net::PacketPort {
 public:
  void set_receiver(net::PacketReceiver* its) override { receiver = its; }
  net::SendStatus send(std::span<const net::Packet>) override { return net::SendStatus::sent; }
  std::size_t mtu() const override { return 1400; }
  net::PacketReceiver* receiver = nullptr;
};

class Receiver final : public net::DatagramReceiver {
 public:
  void on_datagrams(const net::NetPath&, const net::DatagramRun& run, Time) override {
    std::uint8_t sum = 0;
    for (const std::uint8_t byte : run.bytes) sum ^= byte;
    seen = sum;
  }
  void on_max_datagram_size(std::size_t bytes) override { require(bytes >= 1200 && bytes < 1400); }
  volatile std::uint8_t seen = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> bytes(data, data + size);
  if (const auto parsed = net::parse_ip(bytes))
    if (const auto report = net::read_icmp_report(bytes, *parsed)) {
      require(!report->unreachable || report->mtu == 0);
      require(report->source.is_v6() == (parsed->version == 6));
    }
  Port port;
  NoRandom random;
  masque::UdpOverIp udp(port, random);
  Receiver receiver;
  const bool v6 = size > 0 && data[0] >> 4 == 6;
  const auto flow =
      v6 ? udp.open(net::IpAddress::v6({0xfd, 0x89}), {net::IpAddress::v6({0x20, 0x01}), 443})
         : udp.open(net::IpAddress::v4({10, 89, 0, 2}), {net::IpAddress::v4({192, 0, 2, 43}), 443});
  flow->set_receiver(&receiver);
  net::Packet packet{.bytes = bytes};
  port.receiver->on_packets({&packet, 1}, Time{});
  const masque::UdpOverIpCounters& counters = udp.counters();
  require(counters.datagrams_in + counters.dropped_invalid + counters.dropped_fragment +
              counters.dropped_header + counters.dropped_stranger + counters.icmp_believed +
              counters.icmp_ignored ==
          1);
  return 0;
}
