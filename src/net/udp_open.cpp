#include "net/udp_open.h"

#include "base/log.h"
#include "net/socket_calls.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

/// Requests a buffer of `wanted` bytes; returns the granted size.
std::size_t grow_buffer(int fd, int force_name, int name, std::size_t wanted) {
  const int bytes = static_cast<int>(std::min<std::size_t>(wanted, INT32_MAX / 2));
  if (!set_socket_option(fd, SOL_SOCKET, force_name, bytes)) set_socket_option(fd, SOL_SOCKET, name, bytes);
  int granted = 0;
  socklen_t length = sizeof granted;
  ::getsockopt(fd, SOL_SOCKET, name, &granted, &length);
  return static_cast<std::size_t>(granted) / 2;  // the kernel doubles the value for its bookkeeping
}

/// A sentence that names the buffer that is too small; empty if none is.
std::string grow_buffers(int fd, const UdpSocketOptions& options) {
  std::size_t receive = options.receive_buffer;
  std::size_t send = options.send_buffer;
  if (receive > 0) receive = grow_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, receive);
  if (send > 0) send = grow_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, send);
  if (receive >= options.receive_buffer && send >= options.send_buffer) return {};
  return fmt::format(
      "UDP socket buffers are limited to {} bytes (receive) and {} (send); for full throughput run "
      "sysctl -w net.core.rmem_max={} net.core.wmem_max={}",
      receive, send, options.receive_buffer, options.send_buffer);
}

// Optional socket options: without them only speed or ECN is lost.
void set_ip_options(int fd, int family, const UdpSocketOptions& options) {
  const int discover = options.dont_fragment ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT;
  // An IPv6 socket needs IPv4's options too, for the IPv4-mapped traffic of a dual-stack wildcard.
  set_socket_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, discover);
  set_socket_option(fd, IPPROTO_IP, IP_RECVTOS, 1);
  if (family == AF_INET6) {
    set_socket_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                      options.dont_fragment ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
    set_socket_option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
  }
  if (options.packet_info) {
    if (family == AF_INET6)
      set_socket_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    else
      set_socket_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
  }
  if (options.report_unreachable) {
    // Without it the kernel does not report "host unreachable".
    set_socket_option(fd, IPPROTO_IP, IP_RECVERR, 1);
    if (family == AF_INET6) set_socket_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
  }
  set_socket_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  set_socket_option(fd, SOL_UDP, UDP_GRO, 1);
}

Result<UniqueFd> open_udp(int family, const UdpSocketOptions& options) {
  UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
  if (!fd) return std::unexpected(socket_error("cannot open a UDP socket", errno));
  set_ip_options(fd.get(), family, options);
  const std::string too_small = grow_buffers(fd.get(), options);
  static LogOnce once;
  if (options.warn_small_buffers && !too_small.empty() && once.first()) log_warn("{}", too_small);
  return fd;
}

}  // namespace

std::string small_udp_buffers(const UdpSocketOptions& options) {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP));
  return fd ? grow_buffers(fd.get(), options) : std::string();
}

Result<UniqueFd> open_bound_udp(const SocketAddress& local, const UdpSocketOptions& options) {
  Result<UniqueFd> fd = open_udp(local.family(), options);
  if (!fd && fd.error().code == EAFNOSUPPORT && is_wildcard_v6(local))  // a host without IPv6
    return open_bound_udp(SocketAddress(IpAddress(), local.port()), options);
  if (!fd) return fd;
  if (is_wildcard_v6(local)) set_socket_option(fd->get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  const std::string what = "cannot bind UDP " + local.to_string();
  if (options.reuse_port && !set_socket_option(fd->get(), SOL_SOCKET, SO_REUSEPORT, 1))
    return std::unexpected(socket_error(what, errno));
  if (::bind(fd->get(), local.data(), local.size()) != 0) return std::unexpected(socket_error(what, errno));
  return fd;
}

Result<UniqueFd> open_connected_udp(const SocketAddress& remote, const UdpSocketOptions& options) {
  Result<UniqueFd> fd = open_udp(remote.family(), options);
  if (!fd) return fd;
  if (::connect(fd->get(), remote.data(), remote.size()) != 0)
    return std::unexpected(connect_error("cannot reach UDP " + remote.to_string(), errno));
  return fd;
}

}  // namespace sallyport::net
