// What one system call with UDP_SEGMENT (udp(7)) takes: the limits of UdpSender, and of code that collects
// the datagrams of a DatagramRun, since a longer run is only cut in two.
#pragma once

#include <algorithm>
#include <cstddef>

namespace sallyport::net {

/// Datagrams: UDP_MAX_SEGMENTS of kernels before 6.8.
inline constexpr std::size_t max_gso_segments = 64;

// One call's payload is one IP packet to the kernel until it is cut up, so it may not be longer than one.
inline constexpr std::size_t max_gso_bytes_v4 = 65'535 - 20 - 8;
inline constexpr std::size_t max_gso_bytes_v6 = 65'535 - 40 - 8;
/// For who does not know which of them it will be.
inline constexpr std::size_t max_gso_bytes = std::min(max_gso_bytes_v4, max_gso_bytes_v6);

}  // namespace sallyport::net
