// Packets as a Recorder gets them: for tests of what is written of them, here and in inspect.
#pragma once

#include "trace/recorder.h"

#include <cstdint>

namespace sallyport::trace::test {

/// A 1-RTT packet. `header` and `frames` are not copied.
inline Packet one_rtt(std::uint64_t number, Bytes header, Bytes frames) {
  return {.type = PacketType::one_rtt,
          .number = number,
          .header = header,
          .frames = frames,
          .size = header.size() + frames.size() + 16};
}

}  // namespace sallyport::trace::test
