#include "net/tun_queue.h"

#include "base/lifetime.h"
#include "net/fd_watch.h"
#include "net/virtio_net.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/uio.h>

namespace sallyport::net {
namespace {

// An IPv6 packet's length does not count its own header.
constexpr std::size_t max_packet = 65'535 + 40;
constexpr std::size_t max_frame = virtio_header_size + max_packet;
// One more byte than the longest: whether a frame was cut off can be seen.
constexpr std::size_t slot = max_frame + 1;
constexpr std::size_t batch_bytes = 6 * slot;
// How much one queue may read in a turn, for fairness.
constexpr unsigned batches_a_turn = 4;
constexpr std::size_t max_backlog = 1024 * 1024;

/// What is read between two calls of the receiver, frame after frame. The queues of a thread share one: it is
/// empty whenever another one's turn comes.
struct Batch {
  std::unique_ptr<std::uint8_t[]> bytes = std::make_unique_for_overwrite<std::uint8_t[]>(batch_bytes);
  std::array<Packet, TunQueue::batch_capacity> packets;

  static Batch& of_this_thread() {
    thread_local Batch batch;
    return batch;
  }
};

/// What the kernel did not take yet: frames one after the other, so that keeping one allocates nothing once
/// the vectors have grown.
struct Backlog {
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint32_t> sizes;       // of each frame: virtio-net header and packet
  std::size_t first = 0, first_byte = 0;  // not yet sent

  bool keep(const VirtioHeader& header, Bytes packet) {
    const std::size_t size = virtio_header_size + packet.size();
    if (bytes.size() - first_byte + size > max_backlog) return false;
    const auto* head = reinterpret_cast<const std::uint8_t*>(&header);
    bytes.insert(bytes.end(), head, head + virtio_header_size);
    bytes.insert(bytes.end(), packet.begin(), packet.end());
    sizes.push_back(static_cast<std::uint32_t>(size));
    return true;
  }
  bool empty() const { return first == sizes.size(); }
  Bytes front() const { return Bytes(bytes).subspan(first_byte, sizes[first]); }
  void pop() { first_byte += sizes[first++]; }
  /// Forgets what was sent.
  void compact() {
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(first_byte));
    sizes.erase(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(first));
    first = first_byte = 0;
  }
};

}  // namespace

struct TunQueue::Impl final : FdWatcher {
  Impl(EventLoop& event_loop, std::string device, std::shared_ptr<const std::atomic<std::size_t>> device_mtu)
      : loop(event_loop),
        name(std::move(device)),
        mtu(std::move(device_mtu)),
        notification(event_loop.timers(), [this](Time) { tell_closed(); }) {}

  SendStatus send(std::span<const Packet> packets);
  /// 0, or errno.
  int write(const VirtioHeader& header, Bytes packet);
  void count_sent(std::size_t bytes, bool super_packet);
  void count_failure(int error);
  void on_readable() override;
  void on_writable() override;
  /// Reads until the batch is full or `error` is set; returns the number of packets.
  std::size_t fill(Batch& batch, int& error);
  void fail_with(int error);
  void tell_closed();
  void update_reading() { watch.want_readable(receiver != nullptr && reading); }
  void close();

  EventLoop& loop;
  FdWatch watch;
  PacketReceiver* receiver = nullptr;
  const std::string name;
  const std::shared_ptr<const std::atomic<std::size_t>> mtu;
  TunQueueStats stats;
  std::unique_ptr<Backlog> backlog;  // there only while the kernel takes no more
  Deferred notification;             // send() may not call the receiver, which is its caller
  Lifetime lifetime;
  int gone = 0;  // why the device is
  bool reading = true;
};

std::size_t TunQueue::Impl::fill(Batch& batch, int& error) {
  std::size_t used = 0;
  std::size_t count = 0;
  while (count < batch_capacity && batch_bytes - used >= slot) {
    std::uint8_t* frame = batch.bytes.get() + used;
    const ssize_t size = ::read(watch.fd(), frame, slot);
    ++stats.read_calls;
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      error = size < 0 ? errno : EBADFD;
      break;
    }
    const auto length = static_cast<std::size_t>(size);
    VirtioHeader header;
    std::optional<Packet> packet;
    if (length > virtio_header_size && length <= max_frame) {
      std::memcpy(&header, frame, sizeof header);
      packet = packet_after(header, {frame + virtio_header_size, length - virtio_header_size});
    }
    if (!packet) {
      ++stats.dropped_unknown;
      continue;
    }
    batch.packets[count++] = *packet;
    ++stats.packets_in;
    stats.bytes_in += packet->bytes.size();
    stats.super_packets_in += packet->segment_size > 0 ? 1 : 0;
    used += length;
  }
  return count;
}

void TunQueue::Impl::on_readable() {
  const Lifetime::Guard guard(lifetime);
  Batch& batch = Batch::of_this_thread();
  int error = 0;
  for (unsigned i = 0; i < batches_a_turn && error == 0; ++i) {
    const std::size_t count = fill(batch, error);
    if (count > 0) receiver->on_packets(std::span(batch.packets).first(count), loop.timers().now());
    if (guard.gone() || receiver == nullptr || !reading) return;
  }
  if (error != 0 && error != EAGAIN) {
    fail_with(error);
    tell_closed();
  }
}

int TunQueue::Impl::write(const VirtioHeader& header, Bytes packet) {
  const std::array<iovec, 2> parts{{{const_cast<VirtioHeader*>(&header), virtio_header_size},
                                    {const_cast<std::uint8_t*>(packet.data()), packet.size()}}};
  while (true) {
    ++stats.write_calls;
    if (::writev(watch.fd(), parts.data(), static_cast<int>(parts.size())) >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

void TunQueue::Impl::count_sent(std::size_t bytes, bool super_packet) {
  ++stats.packets_out;
  stats.bytes_out += bytes;
  stats.super_packets_out += super_packet ? 1 : 0;
}

void TunQueue::Impl::count_failure(int error) {
  if (error == EINVAL)
    ++stats.dropped_invalid;
  else
    ++stats.dropped_error;
  if (error == EBADFD || error == EBADF) {
    fail_with(error);
    notification.request();
  }
}

SendStatus TunQueue::Impl::send(std::span<const Packet> packets) {
  bool dropped = false;
  for (const Packet& packet : packets) {
    if (watch.fd() < 0 || gone != 0) {
      ++stats.dropped_error;
      dropped = true;
      continue;
    }
    const auto header = virtio_header_of(packet);
    if (!header) {
      ++stats.dropped_invalid;
      dropped = true;
      continue;
    }
    if (backlog == nullptr) {
      const int error = write(*header, packet.bytes);
      if (error == 0) count_sent(packet.bytes.size(), header->gso_type != VirtioHeader::gso_none);
      if (error != 0 && error != EAGAIN) {
        count_failure(error);
        dropped = true;
      }
      if (error != EAGAIN) continue;
      backlog = std::make_unique<Backlog>();
      watch.want_writable();
    }
    if (!backlog->keep(*header, packet.bytes)) {
      ++stats.dropped_backlog;
      dropped = true;
    }
  }
  if (dropped) return SendStatus::dropped;
  return backlog != nullptr ? SendStatus::blocked : SendStatus::sent;
}

void TunQueue::Impl::on_writable() {
  if (backlog == nullptr) return;
  for (; !backlog->empty(); backlog->pop()) {
    const Bytes frame = backlog->front();
    ++stats.write_calls;
    const bool taken = ::write(watch.fd(), frame.data(), frame.size()) >= 0;
    if (!taken && (errno == EAGAIN || errno == EINTR)) {
      backlog->compact();
      watch.want_writable();
      return;
    }
    if (taken)
      count_sent(frame.size() - virtio_header_size,
                 frame[offsetof(VirtioHeader, gso_type)] != VirtioHeader::gso_none);
    else
      count_failure(errno);
    if (gone != 0) return;  // which is told at the end of the turn
  }
  backlog.reset();
  if (receiver != nullptr) receiver->on_port_writable(loop.timers().now());
}

void TunQueue::Impl::fail_with(int error) {
  gone = error;
  backlog.reset();
  watch.want_readable(false);
}

void TunQueue::Impl::tell_closed() {
  PacketReceiver* told = std::exchange(receiver, nullptr);
  const Error why{ErrorKind::closed,
                  fmt::format("the TUN device '{}' is gone: {}", name, std::generic_category().message(gone)),
                  static_cast<std::uint64_t>(gone)};
  watch.close();
  if (told != nullptr) told->on_port_closed(why);
}

void TunQueue::Impl::close() {
  receiver = nullptr;
  backlog.reset();
  watch.close();
}

TunQueue::TunQueue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TunQueue::~TunQueue() = default;

Result<std::unique_ptr<TunQueue>> TunQueue::adopt(EventLoop& loop, UniqueFd fd, std::string name,
                                                  std::shared_ptr<const std::atomic<std::size_t>> mtu) {
  auto impl = std::make_unique<Impl>(loop, std::move(name), std::move(mtu));
  auto watch = FdWatch::open(loop, std::move(fd), *impl);
  if (!watch) return std::unexpected(std::move(watch.error()));
  impl->watch = std::move(*watch);
  return std::unique_ptr<TunQueue>(new TunQueue(std::move(impl)));
}

void TunQueue::set_receiver(PacketReceiver* receiver) {
  impl_->receiver = receiver;
  impl_->update_reading();
}

SendStatus TunQueue::send(std::span<const Packet> packets) {
  return impl_->send(packets);
}

std::size_t TunQueue::mtu() const {
  return impl_->mtu->load(std::memory_order_relaxed);
}

void TunQueue::set_reading(bool on) {
  impl_->reading = on;
  impl_->update_reading();
}

void TunQueue::close() {
  impl_->close();
}

int TunQueue::fd() const {
  return impl_->watch.fd();
}

const TunQueueStats& TunQueue::stats() const {
  return impl_->stats;
}

}  // namespace sallyport::net
