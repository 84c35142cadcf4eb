#include "net/outbound.h"

#include "net/udp_socket.h"

namespace sallyport::net {
namespace {

class KernelOutbound final : public Outbound {
 public:
  KernelOutbound(EventLoop& loop, const OutboundOptions& options)
      : loop_(loop), options_(options), resolver_(make_system_resolver(loop)) {}

  Resolver& resolver() override { return *resolver_; }

  using Outbound::open_udp;
  Result<std::unique_ptr<DatagramPath>> open_udp(const SocketAddress& target, UdpBuffers buffers) override {
    const bool large = buffers == UdpBuffers::large;
    UdpSocketOptions options;
    options.receive_buffer = large ? options_.udp_receive_buffer : 0;
    options.send_buffer = large ? options_.udp_send_buffer : 0;
    options.report_errors = true;
    auto socket = UdpSocket::connect(loop_, target, options);
    if (!socket) return std::unexpected(std::move(socket.error()));
    return std::unique_ptr<DatagramPath>(std::move(*socket));
  }

  std::unique_ptr<TcpConnecting> open_tcp(const std::vector<SocketAddress>& targets, Duration timeout,
                                          TcpConnected connected) override {
    std::vector<IpAddress> addresses;
    addresses.reserve(targets.size());
    for (const SocketAddress& target : targets) addresses.push_back(target.ip());
    const std::uint16_t port = targets.empty() ? 0 : targets.front().port();
    return happy_eyeballs_connect(loop_, std::move(addresses), port, timeout, {}, std::move(connected));
  }

 private:
  EventLoop& loop_;
  OutboundOptions options_;
  std::unique_ptr<Resolver> resolver_;
};

}  // namespace

std::unique_ptr<Outbound> make_kernel_outbound(EventLoop& loop, const OutboundOptions& options) {
  return std::make_unique<KernelOutbound>(loop, options);
}

}  // namespace sallyport::net
