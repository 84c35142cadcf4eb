// ICMP errors on a UDP socket: the next call fails with an errno, which says little; with IP_RECVERR the
// error queue has the messages' types and codes. Part of UdpSocket.
#pragma once

#include "base/result.h"
#include "net/datagram_path.h"

#include <cstdint>
#include <optional>

namespace sallyport::net {

struct ReportedUnreachable {
  Unreachable kind = Unreachable::hint;
  int number = 0;  ///< the kernel's errno for it
};

/// What a message with this type and code says (RFC 792 and RFC 1122 §3.2.2.1, or RFC 4443 §3.1 and §3.4).
/// nullopt: other messages; Time Exceeded and Packet Too Big concern the path, not its remote end.
std::optional<Unreachable> unreachable_of_icmp(std::uint8_t type, std::uint8_t code);
std::optional<Unreachable> unreachable_of_icmp6(std::uint8_t type, std::uint8_t code);

/// The same with the errno that the kernel has for it, for who reads such messages itself.
std::optional<ReportedUnreachable> report_of_icmp(std::uint8_t type, std::uint8_t code);
std::optional<ReportedUnreachable> report_of_icmp6(std::uint8_t type, std::uint8_t code);

/// Reads up to 64 messages from the socket's error queue. Returns the most definite report that the remote
/// end is unreachable.
std::optional<ReportedUnreachable> take_unreachable(int fd);

/// "UDP to REMOTE failed: ..."
Error unreachable_error(const SocketAddress& remote, const ReportedUnreachable& reported);

/// Whether a call may fail with this errno because of an ICMP error for an earlier datagram.
bool is_icmp_error(int number);
/// Whether this errno means that there is no route.
bool is_route_error(int number);

}  // namespace sallyport::net
