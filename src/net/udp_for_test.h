// Helpers for tests of UDP sockets: a receiver that records its calls, sockets on loopback, a network
// namespace.
#pragma once

#include "net/new_namespace_for_test.h"
#include "net/run_until_for_test.h"
#include "net/udp_socket.h"

#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

namespace sallyport::net::test {

struct Got {
  NetPath path;
  std::vector<std::string> datagrams;
  Ecn ecn;
  Time at;
};

struct Receiver final : DatagramReceiver {
  std::vector<Got> runs;
  std::function<void()> then = [] {};
  std::function<void()> writable = [] {};
  std::function<void(Unreachable, const Error&)> unreachable = [](Unreachable, const Error& why) {
    ADD_FAILURE() << why.message;
  };
  std::size_t max_datagram = 0;

  void on_datagrams(const NetPath& path, const DatagramRun& run, Time now) override {
    Got& got = runs.emplace_back(Got{path, {}, run.ecn, now});
    if (run.bytes.empty()) got.datagrams.emplace_back();
    run.for_each([&](Bytes datagram) { got.datagrams.emplace_back(as_text(datagram)); });
    then();
  }
  void on_path_writable(Time) override { writable(); }
  void on_max_datagram_size(std::size_t bytes) override { max_datagram = bytes, then(); }
  void on_unreachable(Unreachable kind, const Error& why) override { unreachable(kind, why); }

  std::vector<std::string> all() const {
    std::vector<std::string> datagrams;
    for (const Got& got : runs) datagrams.insert(datagrams.end(), got.datagrams.begin(), got.datagrams.end());
    return datagrams;
  }
};

/// Runs the loop until `done`, at most a minute.
inline void run_until(EventLoop& loop, const std::function<bool()>& done) {
  run_until(loop, done, 60s);
}

inline SocketAddress any_port(const char* ip) {
  return SocketAddress(IpAddress::parse(ip).value(), 0);
}

inline std::unique_ptr<UdpSocket> bound(EventLoop& loop, const char* ip,
                                        const UdpSocketOptions& options = {}) {
  auto socket = UdpSocket::bind(loop, any_port(ip), options);
  if (!socket) throw std::runtime_error(socket.error().message);
  return std::move(*socket);
}

inline std::unique_ptr<UdpSocket> connected(EventLoop& loop, const SocketAddress& to,
                                            const UdpSocketOptions& options = {}) {
  auto socket = UdpSocket::connect(loop, to, options);
  if (!socket) throw std::runtime_error(socket.error().message);
  return std::move(*socket);
}

/// `size` bytes, no two segments alike.
inline std::vector<std::uint8_t> pattern(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  std::uint32_t state = 1;
  for (auto& byte : bytes) byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  return bytes;
}

inline std::vector<std::string> segments_of(const DatagramRun& run) {
  std::vector<std::string> segments;
  run.for_each([&](Bytes segment) { segments.emplace_back(as_text(segment)); });
  return segments;
}

/// In a network namespace of this thread only, whose loopback device takes packets of `mtu` bytes; false
/// where we may not make one.
inline bool in_narrow_namespace(int mtu, const std::function<void()>& test) {
  bool possible = false;
  in_new_namespace([&] {
    const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_mtu = mtu;
    if (::ioctl(control.get(), SIOCSIFMTU, &request) != 0) return;
    request.ifr_flags = IFF_UP | IFF_LOOPBACK;
    if (::ioctl(control.get(), SIOCSIFFLAGS, &request) != 0) return;
    possible = true;
    test();
  });
  return possible;
}

}  // namespace sallyport::net::test
