// Steering: a classic BPF program on a SO_REUSEPORT group that passes each QUIC packet to the worker named in
// its Destination Connection ID. So a connection stays with its worker after connection migration. Needs no
// privilege. The layout is that of quic::ConnectionIdLayout, given here as plain numbers.
#pragma once

#include "base/result.h"

#include <cstddef>

namespace sallyport::net {

/// Short-header packets: worker = byte at 1 + `worker_offset`. Long-header packets: the same byte of the
/// Destination Connection ID when it is `connection_id_length` long and the packet is not an Initial or 0-RTT
/// (whose ID the client chose: the kernel's hash decides). Numbers >= `workers` fall back to the kernel's
/// hash. `fd` is any socket of the group, and the program is the whole group's. Worker N is the socket that
/// was bound N-th, from 0; when one of them is closed, the last takes its number.
Result<> attach_connection_id_steering(int fd, std::size_t workers, std::size_t worker_offset,
                                       std::size_t connection_id_length);

}  // namespace sallyport::net
