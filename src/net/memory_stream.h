// MemoryStream: two ByteStreams joined back to back in memory, for tests of what runs over a ByteStream: TLS,
// HTTP/1.1, HTTP/2, CONNECT. Deterministic: bytes move when the Timers run their deferred work.
#pragma once

#include "net/byte_stream.h"
#include "net/timers.h"

#include <cstddef>
#include <memory>
#include <utility>

namespace sallyport::net {

struct MemoryStreamOptions {
  std::size_t piece = 64 * 1024;  ///< most bytes in one on_bytes; 1 finds out who needs more at once
};

/// Both behave as TCP does: finish() lets the other end read out and then see on_end; close(), or
/// destruction, lets it see on_stream_error (kind closed), unless both directions had ended. An end that does
/// not read holds the other back: its queued_bytes() grow. `timers` must outlive both.
std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_memory_streams(
    Timers& timers, const MemoryStreamOptions& options = {});

}  // namespace sallyport::net
