#include "net/own_addresses.h"

#include "net/socket_calls.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

struct RouteRequest {
  nlmsghdr head{};
  rtmsg route{};
  rtattr attribute{};
  std::array<std::uint8_t, 16> destination{};
};

RouteRequest route_request(const IpAddress& address, std::uint32_t sequence) {
  const auto octets = address.octets();
  RouteRequest request;
  request.head.nlmsg_len =
      static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof(rtmsg)) + RTA_LENGTH(octets.size()));
  request.head.nlmsg_type = RTM_GETROUTE;
  request.head.nlmsg_flags = NLM_F_REQUEST;
  request.head.nlmsg_seq = sequence;
  request.route.rtm_family = address.is_v4() ? AF_INET : AF_INET6;
  request.route.rtm_dst_len = static_cast<std::uint8_t>(octets.size() * 8);
  request.attribute.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(octets.size()));
  request.attribute.rta_type = RTA_DST;
  std::memcpy(request.destination.data(), octets.data(), octets.size());
  return request;
}

/// The type of the route to `address`; RTN_UNREACHABLE without a route, nullopt where the kernel does not
/// answer.
std::optional<int> route_type(int fd, const IpAddress& address, std::uint32_t sequence) {
  const RouteRequest request = route_request(address, sequence);
  if (::send(fd, &request, request.head.nlmsg_len, MSG_DONTWAIT) < 0) return std::nullopt;
  while (true) {
    // The kernel answers inside send().
    alignas(nlmsghdr) std::array<std::uint8_t, 4096> answer;
    const ssize_t size = ::recv(fd, answer.data(), answer.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(rtmsg)))) return std::nullopt;
    nlmsghdr head;
    std::memcpy(&head, answer.data(), sizeof head);
    if (head.nlmsg_seq != sequence) continue;  // the answer to an earlier, abandoned request
    if (head.nlmsg_type == NLMSG_ERROR) return RTN_UNREACHABLE;
    if (head.nlmsg_type != RTM_NEWROUTE) return std::nullopt;
    rtmsg route;
    std::memcpy(&route, answer.data() + NLMSG_HDRLEN, sizeof route);
    return route.rtm_type;
  }
}

/// Without netlink: for a packet to its own address, a machine's source address equals the destination,
/// except with a secondary address of the same subnet.
bool is_sent_from_itself(const IpAddress& address) {
  const SocketAddress target(address, 9);
  const UniqueFd fd(::socket(target.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  return fd && ::connect(fd.get(), target.data(), target.size()) == 0 &&
         local_address(fd.get()).ip() == address;
}

}  // namespace

OwnAddresses::OwnAddresses() : routes_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)) {}

bool OwnAddresses::contains(const IpAddress& given) {
  const IpAddress address = given.unmapped();
  if (address.is_unspecified() || address.is_loopback()) return true;
  if (routes_) {
    const auto type = route_type(routes_.get(), address, ++sequence_);
    // A router also has the anycast address of each of its subnets (RFC 4291 §2.6.1), and every host the
    // broadcast address.
    if (type) return *type == RTN_LOCAL || *type == RTN_ANYCAST || *type == RTN_BROADCAST;
  }
  return is_sent_from_itself(address);
}

}  // namespace sallyport::net
