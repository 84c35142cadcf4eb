#include "net/socket_calls.h"

#include <cerrno>
#include <string_view>
#include <system_error>

#include <sys/resource.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

ErrorKind kind_of(int number) {
  switch (number) {
    case ECONNREFUSED:
      return ErrorKind::refused;
    case ETIMEDOUT:
      return ErrorKind::timeout;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return ErrorKind::unreachable;
    case EACCES:
    case EPERM:
      return ErrorKind::denied;
    case EMSGSIZE:
      return ErrorKind::too_large;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRINUSE:
      return ErrorKind::resource;
    default:
      return ErrorKind::closed;
  }
}

std::string_view mend_of(int number) {
  switch (number) {
    case EADDRINUSE:
      return " (another program uses this port)";
    case EACCES:
      return " (ports below 1024 need CAP_NET_BIND_SERVICE)";
    case EADDRNOTAVAIL:
      return " (no interface has this address)";
    case EMFILE:
      return " (raise the limit on open files, ulimit -n)";
    default:
      return "";
  }
}

}  // namespace

Error socket_error(const std::string& what, int number) {
  std::string message = what + ": " + std::generic_category().message(number);
  message += mend_of(number);
  return Error{kind_of(number), std::move(message), static_cast<std::uint64_t>(number)};
}

Error connect_error(const std::string& what, int number) {
  if (number != EAGAIN && number != EADDRNOTAVAIL) return socket_error(what, number);
  // For UDP the errno is EAGAIN. TCP's EADDRNOTAVAIL may also mean a missing address, as with ::1 on a host
  // without IPv6.
  return Error{number == EAGAIN ? ErrorKind::resource : kind_of(number),
               what + ": no ephemeral port is free" +
                   (number == EAGAIN ? "" : ", or there is no source address for this destination") +
                   " (make fewer connections, or widen net.ipv4.ip_local_port_range)",
               static_cast<std::uint64_t>(number)};
}

bool set_socket_option(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

SocketAddress local_address(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return SocketAddress();
  return SocketAddress(reinterpret_cast<const sockaddr*>(&storage), length);
}

bool is_reserved(int fd, unsigned reserve) {
  rlimit limit{};
  if (reserve == 0 || ::getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  return static_cast<rlim_t>(fd) + reserve >= limit.rlim_cur;
}

bool is_wildcard_v6(const SocketAddress& address) {
  return address.ip() == IpAddress::v6({});
}

}  // namespace sallyport::net
