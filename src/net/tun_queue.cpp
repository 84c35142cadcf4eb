#include "net/tun_queue.h"

#include "base/lifetime.h"
#include "base/log.h"
#include "net/fd_watch.h"
#include "net/link_watch.h"
#include "net/segment.h"
#include "net/virtio_net.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

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
// And how much of what makes no sense.
constexpr unsigned misreads_a_turn = 64;
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

/// The device is gone, and not only a packet lost.
bool is_end(int error) {
  return error == EBADFD || error == EBADF;
}

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
  VirtioHeader front_header() const {
    VirtioHeader header;
    std::memcpy(&header, bytes.data() + first_byte, sizeof header);
    return header;
  }
  MutableBytes front_packet() {
    return MutableBytes(bytes).subspan(first_byte + virtio_header_size, sizes[first] - virtio_header_size);
  }
  void pop() { first_byte += sizes[first++]; }
  /// All that `other` has not yet sent, behind what is here.
  void append(const Backlog& other) {
    bytes.insert(bytes.end(), other.bytes.begin() + static_cast<std::ptrdiff_t>(other.first_byte),
                 other.bytes.end());
    sizes.insert(sizes.end(), other.sizes.begin() + static_cast<std::ptrdiff_t>(other.first),
                 other.sizes.end());
  }
  /// Forgets what was sent.
  void compact() {
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(first_byte));
    sizes.erase(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(first));
    first = first_byte = 0;
  }
};

}  // namespace

struct TunQueue::Impl final : FdWatcher {
  Impl(EventLoop& event_loop, std::string device, std::shared_ptr<std::atomic<std::size_t>> device_mtu,
       const TunCalls& given)
      : loop(event_loop),
        calls(given),
        name(std::move(device)),
        mtu(std::move(device_mtu)),
        notification(event_loop.timers(), [this](Time) { tell_closed(); }) {}

  /// What became of a packet. `done`: sent, or its pieces wait.
  enum class Outcome : std::uint8_t { done, untaken, dropped };

  SendStatus send(std::span<const Packet> packets);
  /// 0, or errno.
  int write_frame(const VirtioHeader& header, Bytes packet);
  /// Pieces of a super-packet that the kernel refuses, and then does not take, are kept in `rest`.
  Outcome write(const VirtioHeader& header, MutableBytes packet, std::unique_ptr<Backlog>& rest);
  Outcome write_cut(const VirtioHeader& header, MutableBytes packet, std::unique_ptr<Backlog>& rest);
  void count_failure(int error);
  void on_readable() override;
  void on_writable() override;
  /// Reads until the batch is full or `error` is set; returns the number of packets. EAGAIN also when
  /// `misreads`, which it counts, are enough for this turn.
  std::size_t fill(Batch& batch, unsigned& misreads, int& error);
  void fail_with(int error);
  void tell_closed();
  void on_link(const Link& link);
  void update_reading() { watch.want_readable(receiver != nullptr && reading); }
  void close();

  EventLoop& loop;
  const TunCalls calls;
  FdWatch watch;
  PacketReceiver* receiver = nullptr;
  const std::string name;
  const std::shared_ptr<std::atomic<std::size_t>> mtu;
  TunQueueStats stats;
  std::unique_ptr<Backlog> backlog;  // there only while the kernel takes no more
  std::vector<std::uint8_t> piece;   // of a super-packet that the kernel refused
  Deferred notification;             // send() may not call the receiver, which is its caller
  Lifetime lifetime;
  std::unique_ptr<LinkWatch> link_watch;  // null before follow()
  std::size_t told_mtu = 0;
  int gone = 0;  // why the device is
  bool reading = true;
};

std::size_t TunQueue::Impl::fill(Batch& batch, unsigned& misreads, int& error) {
  std::size_t used = 0;
  std::size_t count = 0;
  while (count < batch_capacity && batch_bytes - used >= slot) {
    std::uint8_t* frame = batch.bytes.get() + used;
    const ssize_t size = calls.read(watch.fd(), frame, slot);
    ++stats.read_calls;
    if (size < 0 && errno == EINTR) continue;
    if (size == 0 || (size < 0 && (errno == EAGAIN || is_end(errno)))) {
      error = size < 0 ? errno : EBADFD;
      break;
    }
    // Any other error is of the packet, which the kernel took from its queue.
    const std::size_t length = size < 0 ? 0 : static_cast<std::size_t>(size);
    VirtioHeader header;
    std::optional<Packet> packet;
    if (length > virtio_header_size && length <= max_frame) {
      std::memcpy(&header, frame, sizeof header);
      packet = packet_after(header, {frame + virtio_header_size, length - virtio_header_size});
    }
    if (!packet) {
      ++stats.dropped_unknown;
      if (++misreads < misreads_a_turn) continue;
      error = EAGAIN;
      break;
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
  unsigned misreads = 0;
  for (unsigned i = 0; i < batches_a_turn && error == 0; ++i) {
    const std::size_t count = fill(batch, misreads, error);
    if (count > 0) receiver->on_packets(std::span(batch.packets).first(count), loop.timers().now());
    if (guard.gone() || receiver == nullptr || !reading) return;
  }
  if (error != 0 && error != EAGAIN) {
    fail_with(error);
    tell_closed();
  }
}

int TunQueue::Impl::write_frame(const VirtioHeader& header, Bytes packet) {
  const std::array<iovec, 2> parts{{{const_cast<VirtioHeader*>(&header), virtio_header_size},
                                    {const_cast<std::uint8_t*>(packet.data()), packet.size()}}};
  while (true) {
    ++stats.write_calls;
    if (calls.writev(watch.fd(), parts.data(), static_cast<int>(parts.size())) >= 0) break;
    if (errno != EINTR) return errno;
  }
  ++stats.packets_out;
  stats.bytes_out += packet.size();
  stats.super_packets_out += header.gso_type != VirtioHeader::gso_none ? 1 : 0;
  return 0;
}

TunQueue::Impl::Outcome TunQueue::Impl::write(const VirtioHeader& header, MutableBytes packet,
                                              std::unique_ptr<Backlog>& rest) {
  const int error = write_frame(header, packet);
  if (error == 0) return Outcome::done;
  if (error == EAGAIN) return Outcome::untaken;
  if (error == EINVAL && header.gso_type != VirtioHeader::gso_none) return write_cut(header, packet, rest);
  count_failure(error);
  return Outcome::dropped;
}

TunQueue::Impl::Outcome TunQueue::Impl::write_cut(const VirtioHeader& header, MutableBytes packet,
                                                  std::unique_ptr<Backlog>& rest) {
  static LogOnce once;
  if (once.first())
    log_warn(
        "the kernel refuses a {} super-packet for the TUN device {}; such packets are cut here, which "
        "costs a system call for each piece",
        header.gso_type == VirtioHeader::gso_udp_l4 ? "UDP" : "TCP", name);
  auto segmenter = Segmenter::make({packet, header.gso_size, true}, max_packet);
  if (!segmenter) {
    count_failure(EINVAL);
    return Outcome::dropped;
  }
  ++stats.super_packets_refused;
  Outcome outcome = Outcome::done;
  while (const std::size_t size = segmenter->next_size()) {
    piece.resize(size);
    segmenter->write_next(piece.data());
    const int error = rest != nullptr ? EAGAIN : write_frame({}, piece);
    if (error == 0) continue;
    if (error != EAGAIN) {
      count_failure(error);
      outcome = Outcome::dropped;
      if (gone != 0) break;  // and with it the backlog, where the packet may have been
      continue;
    }
    if (rest == nullptr) rest = std::make_unique<Backlog>();
    if (!rest->keep({}, piece)) {
      ++stats.dropped_backlog;
      outcome = Outcome::dropped;
    }
  }
  return outcome;
}

void TunQueue::Impl::count_failure(int error) {
  if (error == EINVAL)
    ++stats.dropped_invalid;
  else
    ++stats.dropped_error;
  if (is_end(error)) {
    fail_with(error);
    notification.request();
  }
}

SendStatus TunQueue::Impl::send(std::span<const Packet> packets) {
  const bool waiting = backlog != nullptr;
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
      const Outcome outcome = write(*header, packet.bytes, backlog);
      if (outcome == Outcome::dropped) dropped = true;
      if (outcome != Outcome::untaken) continue;
      backlog = std::make_unique<Backlog>();
    }
    if (!backlog->keep(*header, packet.bytes)) {
      ++stats.dropped_backlog;
      dropped = true;
    }
  }
  if (backlog == nullptr) return dropped ? SendStatus::dropped : SendStatus::sent;
  if (!waiting) watch.want_writable();
  return SendStatus::blocked;
}

void TunQueue::Impl::on_writable() {
  if (backlog == nullptr) return;
  for (; !backlog->empty(); backlog->pop()) {
    std::unique_ptr<Backlog> rest;
    const Outcome outcome = write(backlog->front_header(), backlog->front_packet(), rest);
    if (gone != 0) return;  // which is told at the end of the turn
    if (outcome != Outcome::untaken && rest == nullptr) continue;
    if (rest != nullptr) {
      backlog->pop();
      rest->append(*backlog);
      backlog = std::move(rest);
    } else {
      backlog->compact();
    }
    watch.want_writable();
    return;
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

void TunQueue::Impl::on_link(const Link& link) {
  mtu->store(link.mtu, std::memory_order_relaxed);
  if (std::exchange(told_mtu, link.mtu) != link.mtu && receiver != nullptr) receiver->on_mtu(link.mtu);
}

void TunQueue::Impl::close() {
  receiver = nullptr;
  link_watch.reset();
  backlog.reset();
  watch.close();
}

TunQueue::TunQueue(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TunQueue::~TunQueue() = default;

Result<std::unique_ptr<TunQueue>> TunQueue::adopt(EventLoop& loop, UniqueFd fd, std::string name,
                                                  std::shared_ptr<std::atomic<std::size_t>> mtu,
                                                  const TunCalls& calls) {
  auto impl = std::make_unique<Impl>(loop, std::move(name), std::move(mtu), calls);
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

Result<> TunQueue::follow(unsigned link) {
  auto watch =
      LinkWatch::open(impl_->loop, link, [impl = impl_.get()](const Link& now) { impl->on_link(now); });
  if (!watch) return std::unexpected(std::move(watch.error()));
  impl_->link_watch = std::move(*watch);
  impl_->told_mtu = mtu();
  return {};
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
