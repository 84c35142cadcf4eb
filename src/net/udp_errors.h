// What ICMP errors leave behind on a UDP socket: the error of the next call, which says little, and with
// IP_RECVERR the messages' types and codes in the error queue. Part of UdpSocket.
#pragma once

#include "base/result.h"
#include "net/datagram_path.h"

#include <cstdint>
#include <optional>

namespace sallyport::net {

struct ReportedUnreachable {
  Unreachable kind = Unreachable::hint;
  int number = 0;  ///< the errno that the kernel makes of it
};

/// What a message with this type and code says (RFC 792 and RFC 1122 §3.2.2.1, or RFC 4443 §3.1 and §3.4).
/// nullopt: nothing of that kind; a time exceeded or a packet too big tell of the way, not of its end.
std::optional<Unreachable> unreachable_of_icmp(std::uint8_t type, std::uint8_t code);
std::optional<Unreachable> unreachable_of_icmp6(std::uint8_t type, std::uint8_t code);

/// Takes what is in the socket's error queue, but no more than 64 messages. The most definite of those that
/// said that the far end cannot be reached.
std::optional<ReportedUnreachable> take_unreachable(int fd);

/// "UDP to REMOTE failed: ..."
Error unreachable_error(const SocketAddress& remote, const ReportedUnreachable& reported);

/// Whether a call may fail with this because of an ICMP error, of whatever kind, that an earlier datagram
/// met.
bool is_icmp_error(int number);
/// Whether a datagram failed with this because there is no route for it.
bool is_route_error(int number);

}  // namespace sallyport::net
