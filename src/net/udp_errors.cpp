#include "net/udp_errors.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>

namespace sallyport::net {
namespace {

/// ICMP messages may arrive as fast as they are read; further ones are read in the next turn.
constexpr unsigned max_errors_at_once = 64;

std::optional<Unreachable> unreachable_of(const sock_extended_err& error) {
  if (error.ee_origin == SO_EE_ORIGIN_ICMP) return unreachable_of_icmp(error.ee_type, error.ee_code);
  if (error.ee_origin == SO_EE_ORIGIN_ICMP6) return unreachable_of_icmp6(error.ee_type, error.ee_code);
  return std::nullopt;  // a local error, already returned by the failed call
}

}  // namespace

std::optional<Unreachable> unreachable_of_icmp(std::uint8_t type, std::uint8_t code) {
  if (type != ICMP_DEST_UNREACH || code == ICMP_FRAG_NEEDED) return std::nullopt;
  return code == ICMP_PORT_UNREACH || code == ICMP_PROT_UNREACH ? Unreachable::definite : Unreachable::hint;
}

std::optional<Unreachable> unreachable_of_icmp6(std::uint8_t type, std::uint8_t code) {
  if (type == ICMP6_DST_UNREACH)
    return code == ICMP6_DST_UNREACH_NOPORT ? Unreachable::definite : Unreachable::hint;
  // What IPv4 calls protocol unreachable.
  if (type == ICMP6_PARAM_PROB && code == ICMP6_PARAMPROB_NEXTHEADER) return Unreachable::definite;
  return std::nullopt;
}

std::optional<ReportedUnreachable> report_of_icmp(std::uint8_t type, std::uint8_t code) {
  const auto kind = unreachable_of_icmp(type, code);
  if (!kind) return std::nullopt;
  switch (code) {
    case ICMP_PORT_UNREACH:
      return ReportedUnreachable{*kind, ECONNREFUSED};
    case ICMP_PROT_UNREACH:
      return ReportedUnreachable{*kind, ENOPROTOOPT};
    case ICMP_NET_UNREACH:
    case ICMP_NET_UNKNOWN:
    case ICMP_NET_ANO:
    case ICMP_NET_UNR_TOS:
      return ReportedUnreachable{*kind, ENETUNREACH};
    default:
      return ReportedUnreachable{*kind, EHOSTUNREACH};
  }
}

std::optional<ReportedUnreachable> report_of_icmp6(std::uint8_t type, std::uint8_t code) {
  const auto kind = unreachable_of_icmp6(type, code);
  if (!kind) return std::nullopt;
  if (type == ICMP6_PARAM_PROB) return ReportedUnreachable{*kind, EPROTO};
  switch (code) {
    case ICMP6_DST_UNREACH_NOPORT:
      return ReportedUnreachable{*kind, ECONNREFUSED};
    case ICMP6_DST_UNREACH_NOROUTE:
      return ReportedUnreachable{*kind, ENETUNREACH};
    case ICMP6_DST_UNREACH_BEYONDSCOPE:
    case ICMP6_DST_UNREACH_ADDR:
      return ReportedUnreachable{*kind, EHOSTUNREACH};
    default:  // prohibited, source policy, reject route
      return ReportedUnreachable{*kind, EACCES};
  }
}

std::optional<ReportedUnreachable> take_unreachable(int fd) {
  std::optional<ReportedUnreachable> found;
  for (unsigned taken = 0; taken < max_errors_at_once; ++taken) {
    std::array<std::uint8_t, 1> byte{};
    iovec part{byte.data(), byte.size()};
    alignas(cmsghdr) std::array<std::uint8_t, 512> control;
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    if (::recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return found;
    for (cmsghdr* at = CMSG_FIRSTHDR(&header); at != nullptr; at = CMSG_NXTHDR(&header, at)) {
      const bool reported = (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_RECVERR) ||
                            (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_RECVERR);
      if (!reported) continue;
      sock_extended_err error{};
      std::memcpy(&error, CMSG_DATA(at), sizeof error);
      const auto kind = unreachable_of(error);
      if (kind && (!found || found->kind == Unreachable::hint))
        found = ReportedUnreachable{*kind, static_cast<int>(error.ee_errno)};
    }
  }
  return found;
}

Error unreachable_error(const SocketAddress& remote, const ReportedUnreachable& reported) {
  // IPv6 reports EACCES for it, whose text would mention permissions.
  const std::string reason = reported.number == EACCES ? "Communication administratively prohibited"
                                                       : std::generic_category().message(reported.number);
  return Error{reported.kind == Unreachable::definite ? ErrorKind::refused : ErrorKind::unreachable,
               "UDP to " + remote.to_string() + " failed: " + reason,
               static_cast<std::uint64_t>(reported.number)};
}

bool is_icmp_error(int number) {
  switch (number) {
    case ECONNREFUSED:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ENONET:
    case EACCES:
    case EPROTO:
      return true;
    default:
      return is_route_error(number);
  }
}

bool is_route_error(int number) {
  return number == ENETUNREACH || number == EHOSTUNREACH || number == ENETDOWN || number == EHOSTDOWN;
}

}  // namespace sallyport::net
