#include "net/outbound.h"

#include "base/log.h"
#include "net/own_addresses.h"
#include "net/remembering_resolver.h"
#include "net/socket_calls.h"

#include <cerrno>
#include <utility>

namespace sallyport::net {
namespace {

void add(UdpSocketStats& to, const UdpSocketStats& from) {
  to.datagrams_in += from.datagrams_in;
  to.datagrams_out += from.datagrams_out;
  to.bytes_in += from.bytes_in;
  to.bytes_out += from.bytes_out;
  to.receive_calls += from.receive_calls;
  to.send_calls += from.send_calls;
  to.dropped_backlog += from.dropped_backlog;
  to.dropped_too_large += from.dropped_too_large;
  to.dropped_error += from.dropped_error;
  to.dropped_kernel += from.dropped_kernel;
  to.dropped_truncated += from.dropped_truncated;
}

class CountedSocket;

/// Shared by an Outbound and its sockets, which may outlive it.
struct Tally {
  OutboundStats gone;
  CountedSocket* first = nullptr;

  /// Counts `error` if it is a shortage of descriptors or memory.
  void note(const Error& error) {
    if (error.kind != ErrorKind::resource) return;
    ++gone.shortages;
    static LogOnce once;
    if (once.first()) log_error("cannot open a socket for a tunnel: {}", error.message);
  }
};

/// A UdpSocket whose counters are kept when it is destroyed.
class CountedSocket final : public DatagramPath {
 public:
  CountedSocket(std::unique_ptr<UdpSocket> socket, std::shared_ptr<Tally> tally)
      : socket_(std::move(socket)), tally_(std::move(tally)), next_(tally_->first) {
    if (next_ != nullptr) next_->previous_ = this;
    tally_->first = this;
  }
  ~CountedSocket() override {
    add(tally_->gone.udp, socket_->stats());
    (previous_ != nullptr ? previous_->next_ : tally_->first) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
  }
  CountedSocket(const CountedSocket&) = delete;
  CountedSocket& operator=(const CountedSocket&) = delete;

  void set_receiver(DatagramReceiver* receiver) override { socket_->set_receiver(receiver); }
  SendStatus send(const NetPath& to, const DatagramRun& run) override { return socket_->send(to, run); }
  std::size_t max_datagram_size() const override { return socket_->max_datagram_size(); }
  NetPath net_path() const override { return socket_->net_path(); }
  void set_reading(bool on) override { socket_->set_reading(on); }

  const UdpSocketStats& stats() const { return socket_->stats(); }
  const CountedSocket* next() const { return next_; }

 private:
  const std::unique_ptr<UdpSocket> socket_;
  const std::shared_ptr<Tally> tally_;
  CountedSocket* previous_ = nullptr;
  CountedSocket* next_;
};

class KernelOutbound final : public Outbound {
 public:
  KernelOutbound(EventLoop& loop, const OutboundOptions& options)
      : loop_(loop), options_(options), resolver_(make_system_resolver(loop)) {
    if (options.remember_names) resolver_ = make_remembering_resolver(loop.timers(), std::move(resolver_));
  }

  Resolver& resolver() override { return *resolver_; }

  using Outbound::open_udp;
  Result<std::unique_ptr<DatagramPath>> open_udp(const SocketAddress& target, UdpBuffers buffers) override {
    const bool large = buffers == UdpBuffers::large;
    UdpSocketOptions options;
    options.receive_buffer = large ? options_.udp_receive_buffer : 0;
    options.send_buffer = large ? options_.udp_send_buffer : 0;
    options.report_unreachable = true;
    options.warn_small_buffers = options_.warn_small_buffers;
    auto socket = UdpSocket::connect(loop_, target, options);
    if (socket && is_reserved((*socket)->fd(), options_.leave_descriptors))
      socket = std::unexpected(socket_error("cannot open a UDP socket", EMFILE));
    if (!socket) {
      tally_->note(socket.error());
      return std::unexpected(std::move(socket.error()));
    }
    return std::make_unique<CountedSocket>(std::move(*socket), tally_);
  }

  std::unique_ptr<TcpConnecting> open_tcp(const std::vector<SocketAddress>& targets, Duration timeout,
                                          TcpConnected connected, TcpAddressFailed failed) override {
    std::vector<IpAddress> addresses;
    addresses.reserve(targets.size());
    for (const SocketAddress& target : targets) addresses.push_back(target.ip());
    const std::uint16_t port = targets.empty() ? 0 : targets.front().port();
    return happy_eyeballs_connect(
        loop_, std::move(addresses), port, timeout, {.leave_descriptors = options_.leave_descriptors},
        [tally = tally_, connected = std::move(connected)](Result<std::unique_ptr<ByteStream>> result) {
          if (!result) tally->note(result.error());
          connected(std::move(result));
        },
        std::move(failed));
  }

  bool is_own(const IpAddress& address) override { return own_addresses_.contains(address); }

  OutboundStats stats() const override {
    OutboundStats stats = tally_->gone;
    for (const auto* socket = tally_->first; socket != nullptr; socket = socket->next())
      add(stats.udp, socket->stats());
    return stats;
  }

 private:
  EventLoop& loop_;
  OutboundOptions options_;
  std::unique_ptr<Resolver> resolver_;
  OwnAddresses own_addresses_;
  std::shared_ptr<Tally> tally_ = std::make_shared<Tally>();
};

}  // namespace

std::unique_ptr<Outbound> make_kernel_outbound(EventLoop& loop, const OutboundOptions& options) {
  return std::make_unique<KernelOutbound>(loop, options);
}

}  // namespace sallyport::net
