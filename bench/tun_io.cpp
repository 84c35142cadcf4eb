// Reads and writes of a TUN device by io_uring beside plain calls: CPU time for a million packets, and
// packets a second. What src/net/tun_queue.cpp does by read() and writev(), a call for each packet, is done
// here in both ways. Needs root; works in a network namespace of its own. Prints one line of JSON.

#include "base/unique_fd.h"
#include "net/virtio_net.h"

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <liburing.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using sallyport::UniqueFd;

constexpr unsigned batch = 64;         // requests under way in the ring, and packets written at a time
constexpr std::size_t slot = 2048;     // longer than any packet here
constexpr std::size_t payload = 1200;  // of each datagram
constexpr const char *here = "10.99.0.1", *there = "10.99.0.2";
constexpr std::uint16_t port = 9000;

[[noreturn]] void fail(std::string_view what) {
  fmt::print(stderr, "tun_io: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

int check(int result, std::string_view what) {
  if (result < 0) fail(what);
  return result;
}

int check_ring(int result, std::string_view what) {
  if (result >= 0) return result;
  errno = -result;
  fail(what);
}

UniqueFd open_device() {
  check(::unshare(CLONE_NEWNET), "a network namespace");
  UniqueFd device(check(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), "/dev/net/tun"));
  ifreq request{};
  std::strcpy(request.ifr_name, "tun0");
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
  check(::ioctl(device.get(), TUNSETIFF, &request), "TUNSETIFF");
  const UniqueFd control(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  auto* const address = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  const auto set = [&](const char* value, unsigned long what, std::string_view name) {
    address->sin_family = AF_INET;
    ::inet_pton(AF_INET, value, &address->sin_addr);
    check(::ioctl(control.get(), what, &request), name);
  };
  set(here, SIOCSIFADDR, "SIOCSIFADDR");
  set("255.255.255.0", SIOCSIFNETMASK, "SIOCSIFNETMASK");
  request.ifr_flags = IFF_UP;
  check(::ioctl(control.get(), SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
  return device;
}

double cpu_seconds(int who) {
  rusage used{};
  check(::getrusage(who, &used), "getrusage");
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// Who sends through the device, as fast as the kernel lets it.
class Sender {
 public:
  Sender() : thread_([this] { run(); }) {}
  /// The CPU time that it used.
  double stop() {
    stop_ = true;
    thread_.join();
    return used_;
  }

 private:
  void run() {
    const UniqueFd socket(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
    ::inet_pton(AF_INET, there, &to.sin_addr);
    check(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
    const std::array<std::uint8_t, payload> bytes{};
    while (!stop_) [[maybe_unused]]
      const ssize_t sent = ::send(socket.get(), bytes.data(), bytes.size(), 0);
    used_ = cpu_seconds(RUSAGE_THREAD);
  }

  std::atomic<bool> stop_ = false;
  double used_ = 0;
  std::thread thread_;
};

class Ring {
 public:
  explicit Ring(int device) : device_(device) {
    check_ring(::io_uring_queue_init(batch, &ring_, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN),
               "io_uring");
    check_ring(::io_uring_register_files(&ring_, &device_, 1), "io_uring_register_files");
  }
  ~Ring() { ::io_uring_queue_exit(&ring_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  void prepare_read(std::uint8_t* at) {
    io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_read(entry, 0, at, slot, 0);
    entry->flags |= IOSQE_FIXED_FILE;
    ::io_uring_sqe_set_data(entry, at);
  }
  void prepare_write(const iovec* parts) {
    io_uring_sqe* const entry = ::io_uring_get_sqe(&ring_);
    ::io_uring_prep_writev(entry, 0, parts, 2, 0);
    entry->flags |= IOSQE_FIXED_FILE;
  }
  /// Submits, waits for `least` to be done, and visits what is: its buffer and its result.
  template <class Visit>
  std::size_t submit(unsigned least, Visit&& visit) {
    check_ring(::io_uring_submit_and_wait(&ring_, least), "io_uring_submit_and_wait");
    std::array<io_uring_cqe*, batch> done{};
    const unsigned count = ::io_uring_peek_batch_cqe(&ring_, done.data(), done.size());
    for (unsigned i = 0; i < count; ++i)
      visit(static_cast<std::uint8_t*>(::io_uring_cqe_get_data(done[i])), done[i]->res);
    ::io_uring_cq_advance(&ring_, count);
    return count;
  }

 private:
  int device_;
  io_uring ring_{};
};

using Buffers = std::vector<std::array<std::uint8_t, slot>>;

std::size_t read_by_calls(int device, Buffers& buffers, Clock::time_point end) {
  std::size_t count = 0;
  while (Clock::now() < end) {
    for (auto& buffer : buffers) {
      if (::read(device, buffer.data(), buffer.size()) <= 0) break;
      ++count;
    }
    pollfd ready{.fd = device, .events = POLLIN, .revents = 0};
    ::poll(&ready, 1, 100);
  }
  return count;
}

std::size_t read_by_ring(int device, Buffers& buffers, Clock::time_point end) {
  Ring ring(device);
  for (auto& buffer : buffers) ring.prepare_read(buffer.data());
  std::size_t count = 0;
  while (Clock::now() < end)
    ring.submit(1, [&](std::uint8_t* at, int size) {
      if (size > 0) ++count;
      ring.prepare_read(at);
    });
  return count;
}

/// A datagram as the kernel gets it of the device: from `there` to `here`, to a port that a socket has.
std::array<iovec, 2> datagram(std::vector<std::uint8_t>& bytes, sallyport::net::VirtioHeader& header) {
  bytes.assign(28 + payload, 0);
  const auto put16 = [&](std::size_t at, std::size_t value) {
    bytes[at] = static_cast<std::uint8_t>(value >> 8);
    bytes[at + 1] = static_cast<std::uint8_t>(value);
  };
  bytes[0] = 0x45;
  put16(2, bytes.size());
  bytes[8] = 64;
  bytes[9] = IPPROTO_UDP;
  ::inet_pton(AF_INET, there, &bytes[12]);
  ::inet_pton(AF_INET, here, &bytes[16]);
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < 20; at += 2)
    sum += static_cast<std::uint32_t>(bytes[at] << 8 | bytes[at + 1]);
  sum = (sum & 0xffff) + (sum >> 16);
  put16(10, 0xffff & ~((sum & 0xffff) + (sum >> 16)));
  put16(20, 40000);
  put16(22, port);
  put16(24, 8 + payload);
  return {{{&header, sallyport::net::virtio_header_size}, {bytes.data(), bytes.size()}}};
}

std::size_t write_by_calls(int device, const iovec* parts, Clock::time_point end) {
  std::size_t count = 0;
  while (Clock::now() < end)
    for (unsigned i = 0; i < batch; ++i) count += ::writev(device, parts, 2) > 0 ? 1 : 0;
  return count;
}

std::size_t write_by_ring(int device, const iovec* parts, Clock::time_point end) {
  Ring ring(device);
  std::size_t count = 0;
  while (Clock::now() < end) {
    for (unsigned i = 0; i < batch; ++i) ring.prepare_write(parts);
    ring.submit(batch, [&](std::uint8_t*, int size) { count += size > 0 ? 1 : 0; });
  }
  return count;
}

struct Figures {
  double cpu_a_million = 0, a_second = 0;
};

template <class Work>
Figures measure(double seconds, bool sends, Work&& work) {
  const auto began = Clock::now();
  const double before = cpu_seconds(RUSAGE_SELF);
  std::optional<Sender> sender;
  if (sends) sender.emplace();
  const auto end =
      began + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const std::size_t count = work(end);
  const double others = sender ? sender->stop() : 0;
  const double used = cpu_seconds(RUSAGE_SELF) - before - others;
  const double took = std::chrono::duration<double>(Clock::now() - began).count();
  return {.cpu_a_million = used * 1e6 / static_cast<double>(count),
          .a_second = static_cast<double>(count) / took};
}

}  // namespace

int main(int argc, char** argv) {
  double seconds = 1;
  CLI::App app("Reads and writes of a TUN device by io_uring beside plain calls");
  app.add_option("--seconds", seconds, "Length of each of the four measurements");
  CLI11_PARSE(app, argc, argv);
  const UniqueFd device = open_device();
  const int fd = device.get();
  // Of the kernel's own packets, and of what is left of an earlier measurement.
  Buffers buffers(batch);
  const auto drain = [&] {
    while (::read(fd, buffers[0].data(), slot) > 0) {
    }
  };
  // What is written arrives somewhere, and is dropped there.
  const UniqueFd sink(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
  const sockaddr_in any{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  check(::bind(sink.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), "bind");
  std::vector<std::uint8_t> bytes;
  sallyport::net::VirtioHeader header;
  const auto parts = datagram(bytes, header);
  std::string all;
  const auto add = [&](std::string_view name, const Figures& figures) {
    all += fmt::format("{}\"{}\": {{\"cpu_a_million\": {:.3f}, \"a_second\": {:.0f}}}",
                       all.empty() ? "" : ", ", name, figures.cpu_a_million, figures.a_second);
    drain();
  };
  add("read", measure(seconds, true, [&](auto end) { return read_by_calls(fd, buffers, end); }));
  add("read, io_uring", measure(seconds, true, [&](auto end) { return read_by_ring(fd, buffers, end); }));
  add("writev", measure(seconds, false, [&](auto end) { return write_by_calls(fd, parts.data(), end); }));
  add("writev, io_uring",
      measure(seconds, false, [&](auto end) { return write_by_ring(fd, parts.data(), end); }));
  fmt::print("{{{}}}\n", all);
}
