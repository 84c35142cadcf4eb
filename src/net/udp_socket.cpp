#include "net/udp_socket.h"

#include "base/lifetime.h"
#include "net/fd_watch.h"
#include "net/socket_calls.h"
#include "net/udp_errors.h"
#include "net/udp_open.h"
#include "net/udp_receive.h"
#include "net/udp_send.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include <netinet/in.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

constexpr std::size_t max_backlog = 1024 * 1024;
// How much one socket may read in a turn, for fairness.
constexpr std::size_t read_budget_bytes = 512 * 1024;
constexpr unsigned read_budget_calls = 4;
/// Messages read at once from a connected socket, whose datagrams GRO joins. With few messages, datagrams
/// that a receiver cannot pass on stay in the kernel's buffer, and the others are still in the CPU cache when
/// they are sent. Where GRO joins none, each one that comes alone doubles it.
constexpr std::size_t connected_batch = 1;
/// A message shorter than this was the last one: GRO would have joined further datagrams.
constexpr std::size_t likely_last = 32 * 1024;

// An IP packet's 65,535 bytes less the headers; IPv6 does not count its own.
constexpr std::size_t max_payload_v4 = 65535 - 20 - 8;
constexpr std::size_t max_payload_v6 = 65535 - 8;
constexpr std::size_t smallest_quic_payload = 1200;

/// The send queue of a blocked socket. Allocated on demand, so idle sockets do not have one.
struct Backlog {
  struct Entry {
    NetPath to;
    std::vector<std::uint8_t> bytes;
    std::size_t segment_size;
    Ecn ecn;
    DatagramRun run() const { return {bytes, segment_size, ecn}; }
  };
  std::vector<Entry> entries;
  std::size_t bytes = 0;  // including the entries' own size: a datagram may be empty
};

/// The number of datagrams of a whole run. (The unsent rest of a run may be empty: no datagram.)
std::size_t datagrams_of(const DatagramRun& whole) {
  return std::max<std::size_t>(whole.count(), 1);
}

}  // namespace

struct UdpSocket::Impl final : FdWatcher {
  Impl(EventLoop& event_loop, int fd, bool connects, const UdpSocketOptions& socket_options);
  static Result<std::unique_ptr<UdpSocket>> make(EventLoop& loop, Result<UniqueFd> fd,
                                                 const SocketAddress& remote, bool connected,
                                                 const UdpSocketOptions& options);

  SendStatus send(const NetPath& to, const DatagramRun& run);
  void keep(const NetPath& to, const DatagramRun& run);
  /// Counts the sent part of `run`; returns the unsent rest.
  DatagramRun count_sent(const DatagramRun& run, const UdpSender::Outcome& outcome);
  void count_failure(int error, const DatagramRun& rest);
  void shrink_max_datagram(std::size_t refused);
  void update_reading() { watch.want_readable(receiver != nullptr && reading); }
  void on_readable() override;
  void on_writable() override;
  void take_errors();
  /// Passes the batch's message to the receiver; returns its size in bytes.
  std::size_t hand_over(std::size_t index);
  void notify();
  void tell_unreachable(ReportedUnreachable reported);
  void close();

  EventLoop& loop;
  FdWatch watch;
  DatagramReceiver* receiver = nullptr;
  NetPath path;
  UdpSender sender;
  UdpSocketStats stats;
  std::unique_ptr<Backlog> backlog;
  Deferred notification;  // send() may not call the receiver, which is its caller
  Lifetime lifetime;
  std::size_t max_datagram;
  // The value of datagrams_out when a datagram was refused that every QUIC path carries.
  std::uint64_t narrow_refusal_after = ~std::uint64_t{0};
  std::uint32_t last_overflow = 0;
  std::size_t batch;                               // messages to be read at once
  std::optional<ReportedUnreachable> unreachable;  // to be reported
  bool max_datagram_changed = false;
  const bool connected;
  const bool report_unreachable;
  bool reading = true;
};

UdpSocket::Impl::Impl(EventLoop& event_loop, int fd, bool connects, const UdpSocketOptions& options)
    : loop(event_loop),
      sender(fd, {.connected = connects, .source_address = options.packet_info}),
      notification(event_loop.timers(), [this](Time) { notify(); }),
      max_datagram(max_payload_v4),
      batch(connects ? connected_batch : UdpReceiveBatch::capacity),
      connected(connects),
      report_unreachable(options.report_unreachable && connects) {}

Result<std::unique_ptr<UdpSocket>> UdpSocket::Impl::make(EventLoop& loop, Result<UniqueFd> fd,
                                                         const SocketAddress& remote, bool connected,
                                                         const UdpSocketOptions& options) {
  if (!fd) return std::unexpected(std::move(fd.error()));
  auto impl = std::make_unique<Impl>(loop, fd->get(), connected, options);
  impl->path = {local_address(fd->get()), remote};
  const SocketAddress& limiting = connected ? remote : impl->path.local;
  if (limiting.ip().unmapped().is_v6()) impl->max_datagram = max_payload_v6;
  auto watch = FdWatch::open(loop, std::move(*fd), *impl);
  if (!watch) return std::unexpected(std::move(watch.error()));
  impl->watch = std::move(*watch);
  return std::unique_ptr<UdpSocket>(new UdpSocket(std::move(impl)));
}

void UdpSocket::Impl::on_readable() {
  // The receiver may destroy this object in every call.
  const Lifetime::Guard guard(lifetime);
  std::size_t bytes = 0;
  for (unsigned call = 0; call < read_budget_calls && bytes < read_budget_bytes; ++call) {
    int error = 0;
    const std::size_t limit = batch;
    const std::size_t before = bytes;
    const std::size_t count = UdpReceiveBatch::of_this_thread().receive(watch.fd(), limit, !connected, error);
    ++stats.receive_calls;
    for (std::size_t i = 0; i < count && !guard.gone() && receiver != nullptr; ++i) bytes += hand_over(i);
    if (guard.gone()) return;
    if (receiver == nullptr || !reading) break;
    if (error == EAGAIN) return take_errors();
    if (error != 0) continue;  // the error of an earlier datagram: deliver received datagrams first
    if (count > 0 && count < limit) break;  // the queue was emptied
    if (limit == connected_batch && bytes - before < likely_last) break;
  }
}

std::size_t UdpSocket::Impl::hand_over(std::size_t index) {
  const ReceivedMessage message = UdpReceiveBatch::of_this_thread().message(index);
  if (message.truncated) {
    ++stats.dropped_truncated;
    return 0;
  }
  const std::size_t count = datagrams_of(message.run);
  stats.datagrams_in += count;
  stats.bytes_in += message.run.bytes.size();
  if (connected) batch = count > 1 ? connected_batch : std::min(2 * batch, UdpReceiveBatch::capacity);
  if (message.overflow) {
    stats.dropped_kernel += *message.overflow - last_overflow;
    last_overflow = *message.overflow;
  }
  NetPath from = path;
  if (!connected) from.remote = message.remote;
  if (message.local) {
    from.local = *message.local;
    from.local.set_port(path.local.port());
  }
  receiver->on_datagrams(from, message.run, loop.timers().now());
  return message.run.bytes.size();
}

void UdpSocket::Impl::take_errors() {
  if (!report_unreachable) return;
  if (const auto reported = take_unreachable(watch.fd())) tell_unreachable(*reported);
}

void UdpSocket::Impl::tell_unreachable(ReportedUnreachable reported) {
  unreachable.reset();
  if (receiver != nullptr) receiver->on_unreachable(reported.kind, unreachable_error(path.remote, reported));
}

void UdpSocket::Impl::notify() {
  const Lifetime::Guard guard(lifetime);
  if (std::exchange(max_datagram_changed, false) && receiver != nullptr)
    receiver->on_max_datagram_size(max_datagram);
  if (!guard.gone() && unreachable) tell_unreachable(*unreachable);
}

SendStatus UdpSocket::Impl::send(const NetPath& to, const DatagramRun& run) {
  if (watch.fd() < 0) return SendStatus::dropped;
  if (run.segment_size > max_datagram) {
    stats.dropped_too_large += run.count();
    return SendStatus::too_large;
  }
  if (backlog != nullptr) {
    if (backlog->bytes + sizeof(Backlog::Entry) + run.bytes.size() > max_backlog) {
      stats.dropped_backlog += datagrams_of(run);
      return SendStatus::dropped;
    }
    keep(to, run);
    return SendStatus::blocked;
  }
  const NetPath& where = connected ? path : to;
  const UdpSender::Outcome outcome = sender.send(where, run);
  const DatagramRun rest = count_sent(run, outcome);
  if (outcome.error == 0) return SendStatus::sent;
  if (outcome.error == EAGAIN) {
    backlog = std::make_unique<Backlog>();
    keep(to, rest);
    watch.want_writable();
    return SendStatus::blocked;
  }
  count_failure(outcome.error, rest);
  return outcome.error == EMSGSIZE ? SendStatus::too_large : SendStatus::dropped;
}

DatagramRun UdpSocket::Impl::count_sent(const DatagramRun& run, const UdpSender::Outcome& outcome) {
  const DatagramRun rest{run.bytes.subspan(outcome.taken), run.segment_size, run.ecn};
  stats.send_calls += outcome.calls;
  stats.datagrams_out += outcome.error == 0 ? datagrams_of(run) : run.count() - rest.count();
  stats.bytes_out += outcome.taken;
  return rest;
}

void UdpSocket::Impl::keep(const NetPath& to, const DatagramRun& run) {
  backlog->bytes += sizeof(Backlog::Entry) + run.bytes.size();
  backlog->entries.push_back({to, {run.bytes.begin(), run.bytes.end()}, run.segment_size, run.ecn});
}

void UdpSocket::Impl::count_failure(int error, const DatagramRun& rest) {
  if (error == EMSGSIZE) {
    stats.dropped_too_large += rest.count();
    if (connected && !rest.bytes.empty()) shrink_max_datagram(std::min(rest.segment_size, rest.bytes.size()));
    return;
  }
  stats.dropped_error += datagrams_of(rest);
  if (report_unreachable && is_route_error(error)) {
    unreachable = {Unreachable::hint, error};
    notification.request();
  }
}

void UdpSocket::Impl::shrink_max_datagram(std::size_t refused) {
  const bool v4 = path.remote.ip().unmapped().is_v4();
  int mtu = 0;
  socklen_t length = sizeof mtu;
  const bool family_v4 = path.remote.family() == AF_INET;
  ::getsockopt(watch.fd(), family_v4 ? IPPROTO_IP : IPPROTO_IPV6, family_v4 ? IP_MTU : IPV6_MTU, &mtu,
               &length);
  const std::size_t headers = v4 ? 28 : 48;
  const std::size_t fits =
      static_cast<std::size_t>(mtu) > headers ? static_cast<std::size_t>(mtu) - headers : 0;
  // The kernel's path MTU also follows ICMP messages, which may be forged. Below QUIC's minimum only EMSGSIZE
  // errors count, and only repeated ones, because a single one may be caused by such a message.
  std::size_t lowered = std::min(refused - 1, std::max(fits, smallest_quic_payload));
  if (lowered < smallest_quic_payload &&
      std::exchange(narrow_refusal_after, stats.datagrams_out) != stats.datagrams_out)
    lowered = smallest_quic_payload;
  if (lowered >= max_datagram) return;
  max_datagram = lowered;
  max_datagram_changed = true;
  notification.request();
}

void UdpSocket::Impl::on_writable() {
  if (backlog == nullptr) return;
  std::size_t done = 0;
  for (Backlog::Entry& entry : backlog->entries) {
    const DatagramRun run = entry.run();
    const UdpSender::Outcome outcome = sender.send(connected ? path : entry.to, run);
    const DatagramRun rest = count_sent(run, outcome);
    if (outcome.error == EAGAIN) {
      backlog->bytes -= outcome.taken;
      entry.bytes.erase(entry.bytes.begin(),
                        entry.bytes.begin() + static_cast<std::ptrdiff_t>(outcome.taken));
      break;
    }
    if (outcome.error != 0) count_failure(outcome.error, rest);
    backlog->bytes -= sizeof(Backlog::Entry) + run.bytes.size();
    ++done;
  }
  if (done < backlog->entries.size()) {
    backlog->entries.erase(backlog->entries.begin(),
                           backlog->entries.begin() + static_cast<std::ptrdiff_t>(done));
    watch.want_writable();
    return;
  }
  backlog.reset();
  if (receiver != nullptr) receiver->on_path_writable(loop.timers().now());
}

void UdpSocket::Impl::close() {
  receiver = nullptr;
  backlog.reset();
  watch.close();
}

UdpSocket::UdpSocket(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
UdpSocket::~UdpSocket() = default;

Result<std::unique_ptr<UdpSocket>> UdpSocket::bind(EventLoop& loop, const SocketAddress& local,
                                                   const UdpSocketOptions& options) {
  return Impl::make(loop, open_bound_udp(local, options), SocketAddress(), false, options);
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::connect(EventLoop& loop, const SocketAddress& remote,
                                                      const UdpSocketOptions& options) {
  return Impl::make(loop, open_connected_udp(remote, options), remote, true, options);
}

Result<std::unique_ptr<UdpSocket>> UdpSocket::adopt(EventLoop& loop, UniqueFd fd,
                                                    const SocketAddress& remote) {
  return Impl::make(loop, std::move(fd), remote, true, UdpSocketOptions());
}

void UdpSocket::set_receiver(DatagramReceiver* receiver) {
  impl_->receiver = receiver;
  impl_->update_reading();
}

SendStatus UdpSocket::send(const NetPath& to, const DatagramRun& run) {
  return impl_->send(to, run);
}
std::size_t UdpSocket::max_datagram_size() const {
  return impl_->max_datagram;
}
NetPath UdpSocket::net_path() const {
  return impl_->path;
}

void UdpSocket::set_reading(bool on) {
  impl_->reading = on;
  impl_->update_reading();
}

void UdpSocket::close() {
  impl_->close();
}
int UdpSocket::fd() const {
  return impl_->watch.fd();
}
const UdpSocketStats& UdpSocket::stats() const {
  return impl_->stats;
}

}  // namespace sallyport::net
