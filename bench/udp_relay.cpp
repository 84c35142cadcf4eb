// A bare UDP relay: what a hop would cost that did no QUIC, HTTP or CONNECT-UDP. Each address that something
// comes from gets a socket connected to the target, as each tunnel of a hop has. Prints its port; ends when
// its standard input does.

#include "net/event_loop.h"
#include "net/udp_socket.h"

#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <unistd.h>

namespace sallyport::bench {
namespace {

class Relay final : net::DatagramReceiver {
 public:
  Relay(net::EventLoop& loop, net::UdpSocket& front, const net::SocketAddress& target)
      : loop_(loop), front_(front), target_(target) {
    front.set_receiver(this);
  }

 private:
  struct Flow final : net::DatagramReceiver {
    void on_datagrams(const net::NetPath&, const net::DatagramRun& run, Time) override {
      front->send(client, run);
    }
    net::UdpSocket* front = nullptr;
    net::NetPath client;
    std::unique_ptr<net::UdpSocket> socket;
  };

  void on_datagrams(const net::NetPath& path, const net::DatagramRun& run, Time) override {
    Flow& flow = flows_[path.remote.port()];
    if (!flow.socket) {
      auto socket = net::UdpSocket::connect(loop_, target_, {});
      if (!socket) return;
      flow.front = &front_;
      flow.client = path;
      flow.socket = std::move(*socket);
      flow.socket->set_receiver(&flow);
    }
    flow.socket->send(path, run);
  }

  net::EventLoop& loop_;
  net::UdpSocket& front_;
  const net::SocketAddress target_;
  std::map<std::uint16_t, Flow> flows_;
};

int run(int argc, char** argv) {
  const auto target = net::SocketAddress::parse(argc == 2 ? argv[1] : "");
  if (!target) {
    fmt::print(stderr, "udp_relay: usage: udp_relay ADDRESS:PORT\n");
    return 2;
  }
  net::EventLoop loop;
  auto front = net::UdpSocket::bind(loop, *net::SocketAddress::parse("127.0.0.1:0"), {});
  if (!front) {
    fmt::print(stderr, "udp_relay: {}\n", front.error().message);
    return 1;
  }
  const Relay relay(loop, **front, *target);
  std::printf("%u\n", (*front)->net_path().local.port());
  std::fflush(stdout);
  std::thread watch([&loop] {
    char byte;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    loop.stop();
  });
  loop.run();
  watch.join();
  return 0;
}

}  // namespace
}  // namespace sallyport::bench

int main(int argc, char** argv) {
  return sallyport::bench::run(argc, argv);
}
