// Small things that every socket of net needs: what its errors mean, its options, its own address.
#pragma once

#include "base/result.h"
#include "net/address.h"

#include <string>

namespace sallyport::net {

/// "WHAT: the system's text", with the kind that fits `number` and, where there is one, the mend.
Error socket_error(const std::string& what, int number);

/// The same of connect(), which also gives a socket its local port: that none is free has two numbers, and
/// neither system's text says so.
Error connect_error(const std::string& what, int number);

/// False, with errno set, where the kernel refuses.
bool set_socket_option(int fd, int level, int name, int value);

/// The address that the socket is bound to.
SocketAddress local_address(int fd);

/// Whether `fd` is one of the last `reserve` descriptors that the process may have. The kernel always gives
/// the lowest that is free, so these come when nearly all others are taken.
bool is_reserved(int fd, unsigned reserve);

/// [::], which with IPV6_V6ONLY off also takes IPv4.
bool is_wildcard_v6(const SocketAddress& address);

}  // namespace sallyport::net
