// Binding: which of a host's listening sockets takes what is sent to it: by address and port, and in a group
// that shares them (SO_REUSEPORT) by hash, or by the worker that a QUIC connection ID names.
#pragma once

#include "base/bytes.h"
#include "net/inbound.h"

#include <cstddef>
#include <optional>

namespace sallyport::sim {

/// Whether a socket bound to `local` takes what is sent to `to`. [::] takes IPv4 too, and sees its addresses
/// as IPv4's.
bool takes(const net::SocketAddress& local, const net::SocketAddress& to);
/// Whether two sockets would take the same, so that they have to be a group.
bool overlap(const net::SocketAddress& one, const net::SocketAddress& other);
/// Always the same of the same path.
std::size_t hash_of(const net::NetPath& path);
/// The worker that the packet is for, as net/steering.h has it; nullopt where the hash decides.
std::optional<std::size_t> steered_worker(Bytes packet, const net::SteeringLayout& layout);

}  // namespace sallyport::sim
