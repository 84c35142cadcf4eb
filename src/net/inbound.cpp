#include "net/inbound.h"

#include "net/steering.h"

#include <utility>

namespace sallyport::net {
namespace {

class KernelUdpListener final : public UdpListener {
 public:
  explicit KernelUdpListener(std::unique_ptr<UdpSocket> socket) : socket_(std::move(socket)) {}

  void set_receiver(DatagramReceiver* receiver) override { socket_->set_receiver(receiver); }
  SendStatus send(const NetPath& to, const DatagramRun& run) override { return socket_->send(to, run); }
  std::size_t max_datagram_size() const override { return socket_->max_datagram_size(); }
  NetPath net_path() const override { return socket_->net_path(); }
  void set_reading(bool on) override { socket_->set_reading(on); }
  Result<> steer(const SteeringLayout& layout) override {
    return attach_connection_id_steering(socket_->fd(), layout.workers, layout.worker_offset,
                                         layout.connection_id_length);
  }
  UdpSocketStats stats() const override { return socket_->stats(); }

 private:
  const std::unique_ptr<UdpSocket> socket_;
};

class KernelInbound final : public Inbound {
 public:
  explicit KernelInbound(EventLoop& loop) : loop_(loop) {}

  Result<std::unique_ptr<UdpListener>> listen_udp(const SocketAddress& local,
                                                  const UdpSocketOptions& options) override {
    auto bound = UdpSocket::bind(loop_, local, options);
    if (!bound) return std::unexpected(std::move(bound.error()));
    return std::make_unique<KernelUdpListener>(std::move(*bound));
  }
  Result<std::unique_ptr<TcpListener>> listen_tcp(const SocketAddress& local, const TcpOptions& options,
                                                  TcpListener::Accepted accepted) override {
    return TcpListener::listen(loop_, local, options, std::move(accepted));
  }
  Result<std::unique_ptr<TcpListener>> listen_unix(const std::string& path, const TcpOptions& options,
                                                   TcpListener::Accepted accepted) override {
    return TcpListener::listen_unix(loop_, path, options, std::move(accepted));
  }

 private:
  EventLoop& loop_;
};

}  // namespace

std::unique_ptr<Inbound> make_kernel_inbound(EventLoop& loop) {
  return std::make_unique<KernelInbound>(loop);
}

}  // namespace sallyport::net
