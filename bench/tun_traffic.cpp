// Traffic between two network namespaces, for scripts/bench tun: TCP streams with cubic at full speed, or UDP
// datagrams without GSO at the highest rate of which less than 1% is lost. One process has the sockets of
// both namespaces, so what was sent and what arrived are counted by one clock. Prints one line of JSON.

#include "base/unique_fd.h"

#include <algorithm>
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
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using sallyport::UniqueFd;

constexpr std::size_t write_size = 128 * 1024;  // iperf3's
constexpr Clock::duration tick = 200us;         // of datagrams: a small burst beside any queue on the way
constexpr Clock::duration settle = 100ms;       // for what is under way when sending stops
constexpr double allowed_loss = 0.01;
constexpr double kept_up = 0.95;  // a sender that reaches less of a rate is what limits it

struct Options {
  std::string near, far;  // names of namespaces
  std::vector<std::string> addresses, devices{""};
  std::size_t streams = 1, size = 1200;
  double seconds = 2, warm_up = 0.5;
  bool down = false;
};

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "tun_traffic: {}: {}\n", what, std::strerror(errno));
  std::exit(1);
}

int check(int result, const std::string& what) {
  if (result < 0) fail(what);
  return result;
}

void enter(const std::string& name) {
  const UniqueFd there(check(::open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC), name));
  check(::setns(there.get(), CLONE_NEWNET), name);
}

sockaddr_in at(const std::string& address, std::uint16_t port) {
  sockaddr_in made{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {}, .sin_zero = {}};
  if (::inet_pton(AF_INET, address.c_str(), &made.sin_addr) != 1) {
    errno = EINVAL;
    fail(address);
  }
  return made;
}

const sockaddr* as_any(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// A socket that is bound to a port of the kernel's choice.
std::pair<UniqueFd, std::uint16_t> bound(int type) {
  UniqueFd socket(check(::socket(AF_INET, type | SOCK_CLOEXEC, 0), "socket"));
  sockaddr_in any = at("0.0.0.0", 0);
  check(::bind(socket.get(), as_any(any), sizeof any), "bind");
  socklen_t length = sizeof any;
  check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&any), &length), "getsockname");
  return {std::move(socket), ntohs(any.sin_port)};
}

double seconds_since(Clock::time_point then) {
  return std::chrono::duration<double>(Clock::now() - then).count();
}

Clock::duration as_duration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

struct Stream {
  UniqueFd near, far;
  std::atomic<std::uint64_t> received = 0;
};

using Streams = std::vector<std::unique_ptr<Stream>>;

/// To `address`, out of `device` where that is not empty. With cubic: the kernel may have another one by
/// itself.
std::unique_ptr<Stream> connect_one(int listener, const sockaddr_in& to, const std::string& device) {
  auto stream = std::make_unique<Stream>();
  stream->near = UniqueFd(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  if (!device.empty())
    check(::setsockopt(stream->near.get(), SOL_SOCKET, SO_BINDTODEVICE, device.data(),
                       static_cast<socklen_t>(device.size())),
          device);
  check(::connect(stream->near.get(), as_any(to), sizeof to), "connect");
  stream->far = UniqueFd(check(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept"));
  for (const int each : {stream->near.get(), stream->far.get()}) {
    check(::setsockopt(each, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5), "cubic");
    check(::fcntl(each, F_SETFL, O_NONBLOCK), "O_NONBLOCK");
  }
  return stream;
}

Streams connect_all(const Options& options) {
  enter(options.far);
  auto [listener, port] = bound(SOCK_STREAM);
  check(::listen(listener.get(), 1024), "listen");
  enter(options.near);
  Streams streams;
  for (std::size_t i = 0; i < options.streams; ++i)
    for (const std::string& address : options.addresses)
      for (const std::string& device : options.devices)
        streams.push_back(connect_one(listener.get(), at(address, port), device));
  return streams;
}

/// Reads or writes on all streams, whichever are ready, until `stop`.
void work(Streams& streams, bool down, bool sends, const std::atomic<bool>& stop) {
  const UniqueFd poll(check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1"));
  for (const auto& stream : streams) {
    epoll_event event{.events = sends ? EPOLLOUT : EPOLLIN, .data = {.ptr = stream.get()}};
    const int fd = (sends == down ? stream->far : stream->near).get();
    check(::epoll_ctl(poll.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }
  std::vector<std::uint8_t> bytes(write_size);
  std::array<epoll_event, 64> ready{};
  while (!stop) {
    const int count = ::epoll_wait(poll.get(), ready.data(), ready.size(), 100);
    for (int i = 0; i < count; ++i) {
      auto& stream = *static_cast<Stream*>(ready[static_cast<std::size_t>(i)].data.ptr);
      const int fd = (sends == down ? stream.far : stream.near).get();
      const ssize_t size = sends ? ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL)
                                 : ::recv(fd, bytes.data(), bytes.size(), 0);
      if (size < 0 && errno != EAGAIN) fail("a TCP connection through the tunnel");
      if (!sends && size > 0) stream.received += static_cast<std::uint64_t>(size);
    }
  }
}

std::vector<std::uint64_t> counts(const Streams& streams) {
  std::vector<std::uint64_t> all;
  all.reserve(streams.size());
  for (const auto& stream : streams) all.push_back(stream->received);
  return all;
}

void tcp(const Options& options) {
  Streams streams = connect_all(options);
  std::atomic<bool> stop = false;
  std::thread sender([&] { work(streams, options.down, true, stop); });
  std::thread receiver([&] { work(streams, options.down, false, stop); });
  std::this_thread::sleep_for(as_duration(options.warm_up));
  const auto before = counts(streams);
  const auto began = Clock::now();
  std::this_thread::sleep_for(as_duration(options.seconds));
  const auto after = counts(streams);
  const double took = seconds_since(began);
  stop = true;
  sender.join();
  receiver.join();
  std::uint64_t bytes = 0;
  double total = 0;
  std::string each;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const double mbps = static_cast<double>(after[i] - before[i]) * 8 / took / 1e6;
    total += mbps;
    bytes += streams[i]->received;
    each += fmt::format("{}{:.2f}", i == 0 ? "" : ", ", mbps);
  }
  // What was received in all, the warming up included: what the tunnel's processes used CPU time for.
  fmt::print("{{\"mbps\": {:.1f}, \"bytes\": {}, \"each\": [{}]}}\n", total, bytes, each);
}

class Datagrams {
 public:
  explicit Datagrams(const Options& options) : options_(options), bytes_(options.size, 0x5a) {
    enter(options.far);
    auto [socket, port] = bound(SOCK_DGRAM);
    far_ = std::move(socket);
    const int room = 8 << 20;
    check(::setsockopt(far_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room), "SO_RCVBUFFORCE");
    const timeval patience{.tv_sec = 0, .tv_usec = 100'000};
    check(::setsockopt(far_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), "SO_RCVTIMEO");
    enter(options.near);
    near_ = UniqueFd(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket"));
    const sockaddr_in to = at(options.addresses.front(), port);
    check(::connect(near_.get(), as_any(to), sizeof to), "connect");
    receiver_ = std::thread([this] { receive(); });
  }
  ~Datagrams() {
    stop_ = true;
    receiver_.join();
  }
  Datagrams(const Datagrams&) = delete;
  Datagrams& operator=(const Datagrams&) = delete;

  struct Trial {
    double sent_a_second = 0, loss = 0;
  };
  Trial try_rate(double a_second) {
    received_ = 0;
    std::uint64_t sent = 0;
    const auto began = Clock::now();
    const auto end = began + as_duration(options_.seconds);
    while (Clock::now() < end) {
      const auto due = static_cast<std::uint64_t>(a_second * seconds_since(began));
      while (sent < due && Clock::now() < end)
        for (int i = 0; i < 16 && sent < due; ++i) sent += send_one() ? 1 : 0;
      std::this_thread::sleep_for(tick);
    }
    const double took = seconds_since(began);
    std::this_thread::sleep_for(settle);
    offered_ += sent;
    const double loss = sent == 0 ? 1 : 1 - static_cast<double>(received_) / static_cast<double>(sent);
    return {.sent_a_second = static_cast<double>(sent) / took, .loss = loss};
  }
  std::uint64_t offered() const { return offered_; }

 private:
  bool send_one() {
    if (::send(near_.get(), bytes_.data(), bytes_.size(), 0) >= 0) return true;
    if (errno != ENOBUFS && errno != EAGAIN && errno != ECONNREFUSED && errno != EHOSTUNREACH) fail("send");
    return false;
  }
  void receive() {
    constexpr std::size_t batch = 64;
    std::vector<std::uint8_t> room(batch * 2048);
    std::array<iovec, batch> parts{};
    std::array<mmsghdr, batch> messages{};
    for (std::size_t i = 0; i < batch; ++i) {
      parts[i] = {room.data() + i * 2048, 2048};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    while (!stop_) {
      const int count = ::recvmmsg(far_.get(), messages.data(), batch, MSG_WAITFORONE, nullptr);
      if (count > 0) received_ += static_cast<std::uint64_t>(count);
    }
  }

  const Options& options_;
  std::vector<std::uint8_t> bytes_;
  UniqueFd near_, far_;
  std::atomic<std::uint64_t> received_ = 0;
  std::atomic<bool> stop_ = false;
  std::uint64_t offered_ = 0;
  std::thread receiver_;
};

/// Doubles the rate until too much is lost or the sender keeps up no more, then halves the gap five times.
void udp(const Options& options) {
  Datagrams datagrams(options);
  datagrams.try_rate(2'000);  // what is made when it is first needed
  double rate = 10'000, good = 0, reached = 0, lost = 0;
  std::optional<double> bad;
  for (int narrowed = 0; narrowed < 5; narrowed += bad ? 1 : 0) {
    const auto trial = datagrams.try_rate(rate);
    if (trial.loss < allowed_loss) {
      if (trial.sent_a_second > reached) {
        reached = trial.sent_a_second;
        lost = trial.loss;
      }
      good = rate;
      if (trial.sent_a_second < rate * kept_up) break;
    } else {
      bad = rate;
    }
    rate = bad ? (good + *bad) / 2 : rate * 2;
  }
  fmt::print("{{\"datagrams_per_s\": {:.0f}, \"mbps\": {:.1f}, \"loss\": {:.4f}, \"bytes\": {}}}\n", reached,
             reached * static_cast<double>(options.size) * 8 / 1e6, lost, datagrams.offered() * options.size);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  bool over_udp = false;
  CLI::App app("Traffic from one network namespace to another");
  app.add_flag("--udp", over_udp, "Datagrams, in place of TCP");
  app.add_option("--near", options.near, "Namespace that connects")->required();
  app.add_option("--far", options.far, "Namespace that is connected to")->required();
  app.add_option("--streams", options.streams, "TCP connections to each address");
  app.add_option("--size", options.size, "Bytes of each datagram")->check(CLI::Range(1, 2048));
  app.add_option("--seconds", options.seconds, "How long it is measured; of datagrams: each trial");
  app.add_option("--warm-up", options.warm_up, "TCP: seconds before that");
  app.add_option("--device", options.devices,
                 "TCP: out of this device; repeat it for more connections to each address")
      ->allow_extra_args(false);
  app.add_flag("--down", options.down, "TCP: from far to near");
  app.add_option("addresses", options.addresses, "IPv4 addresses of the far namespace")->required();
  CLI11_PARSE(app, argc, argv);
  over_udp ? udp(options) : tcp(options);
}
