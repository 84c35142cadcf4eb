#include "net/link_watch.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

Result<UniqueFd> open_notifications(unsigned index) {
  const auto failed = [](int number) {
    return fail(ErrorKind::resource,
                fmt::format("cannot watch a network device: {}", std::generic_category().message(number)),
                static_cast<std::uint64_t>(number));
  };
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!fd) return failed(errno);
  // The number of the device follows the message's header and four bytes. What classic BPF loads is in
  // network order.
  constexpr std::uint32_t place = NLMSG_HDRLEN + offsetof(ifinfomsg, ifi_index);
  std::array<sock_filter, 4> filter{{{BPF_LD | BPF_W | BPF_ABS, 0, 0, place},
                                     {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, htonl(index)},
                                     {BPF_RET | BPF_K, 0, 0, 0xffffffff},
                                     {BPF_RET | BPF_K, 0, 0, 0}}};
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0)
    return failed(errno);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failed(errno);
  return fd;
}

}  // namespace

Result<std::unique_ptr<LinkWatch>> LinkWatch::open(EventLoop& loop, unsigned index, Changed changed) {
  auto netlink = Rtnetlink::open();
  if (!netlink) return std::unexpected(std::move(netlink.error()));
  auto notifications = open_notifications(index);
  if (!notifications) return std::unexpected(std::move(notifications.error()));
  std::unique_ptr<LinkWatch> made(new LinkWatch(std::move(*netlink), index, std::move(changed)));
  auto watch = FdWatch::open(loop, std::move(*notifications), *made);
  if (!watch) return std::unexpected(std::move(watch.error()));
  made->watch_ = std::move(*watch);
  made->watch_.want_readable(true);
  return made;
}

void LinkWatch::on_readable() {
  // What they say may be outdated, or be lost (ENOBUFS): the kernel is asked how the device is now.
  std::array<std::uint8_t, 64> ignored{};
  while (::recv(watch_.fd(), ignored.data(), ignored.size(), 0) >= 0 || errno == ENOBUFS || errno == EINTR) {
  }
  const auto link = find_link(netlink_, index_);
  if (!link) return;
  const Changed changed = changed_;  // which may destroy this
  changed(*link);
}

}  // namespace sallyport::net
