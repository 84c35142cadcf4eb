#include "net/outbound.h"

#include <array>
#include <functional>

#include <gtest/gtest.h>

namespace sallyport::net {
namespace {

void run_until(EventLoop& loop, const std::function<bool()>& done) {
  const Time deadline = std::chrono::steady_clock::now() + 60s;
  Timer again(loop.timers(), [&](Time now) {
    if (done() || now > deadline) return loop.stop();
    again.arm(now + 1ms);
  });
  again.arm(Time{});
  loop.run();
  EXPECT_TRUE(done());
}

TEST(KernelOutbound, CountsWhatItsSocketsDoAndDid) {
  EventLoop loop;
  const auto target = std::move(*UdpSocket::bind(loop, SocketAddress::parse("127.0.0.1:0").value(), {}));
  const auto outbound = make_kernel_outbound(loop, {.udp_receive_buffer = 0, .udp_send_buffer = 0});
  const auto remote = target->net_path().local;
  const std::string three(300, 'x');
  const auto send = [&](DatagramPath& path) { path.send({}, {as_bytes(three), 100}); };
  auto first = std::move(*outbound->open_udp(remote));
  const auto second = std::move(*outbound->open_udp(remote));
  auto third = std::move(*outbound->open_udp(remote));
  send(*first);
  send(*second);
  send(*second);
  send(*third);
  run_until(loop, [&] { return outbound->stats().udp.datagrams_out == 12; });
  third.reset();
  first.reset();
  EXPECT_EQ(outbound->stats().udp.datagrams_out, 12u);
  EXPECT_EQ(outbound->stats().udp.bytes_out, 1200u);
  send(*second);
  run_until(loop, [&] { return outbound->stats().udp.datagrams_out == 15; });
}

TEST(KernelOutbound, LeavesTheLastDescriptorsToOthers) {
  EventLoop loop;
  const auto all = make_kernel_outbound(loop, {.leave_descriptors = 2'000'000'000});
  const auto refused = all->open_udp(SocketAddress::parse("127.0.0.1:9").value());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::resource);
  EXPECT_EQ(all->stats().shortages, 1u);
}

}  // namespace
}  // namespace sallyport::net
