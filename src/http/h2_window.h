// The receive windows of HTTP/2 (RFC 9113 §5.2): one for each stream and one for the connection, which grow
// as quic::ReceiveWindow says.
#pragma once

#include "quic/receive_window.h"

#include <cstddef>

namespace sallyport::http {

inline constexpr std::size_t h2_stream_window = 512 * 1024;
inline constexpr std::size_t h2_connection_window = 1024 * 1024;
inline constexpr std::size_t h2_largest_window = 16 * 1024 * 1024;

}  // namespace sallyport::http
