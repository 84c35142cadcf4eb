// StreamWindows: how much credit the streams of one connection are given for what was consumed (RFC 9000
// §4.2): more than that while a window grows, less while one is to shrink. ngtcp2's own growing knows one
// bound for all streams, so it is left off.
#pragma once

#include "base/time.h"
#include "quic/application.h"
#include "quic/receive_window.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sallyport::quic {

class StreamWindows {
 public:
  /// `largest` 0: windows stay as they are.
  StreamWindows(std::size_t initial, std::size_t largest) : initial_(initial), largest_(largest) {}

  /// The stream is known here: so it is from the first of these calls for it until forget().
  bool has(StreamId id);
  /// The credit that is due now that `count` more bytes were consumed, in the turn of `now`. Unidirectional
  /// streams, which say little, are not kept, and their windows do not grow.
  std::size_t consumed(StreamId id, std::size_t count, Time now, Duration round_trip);
  /// Of a bidirectional stream: no more than `bytes` may be on their way to us or unconsumed, once what was
  /// granted before is used up. At least the initial window: ngtcp2 grants credit by quarters of it.
  void lower_limit(StreamId id, std::size_t bytes);
  /// The stream is closed.
  void forget(StreamId id);
  /// All of them are.
  void clear() { streams_ = std::vector<Stream>(); }

 private:
  struct Stream {
    StreamId id;
    ReceiveWindow window;
    std::size_t withheld = 0;  // still to be taken from the credit
    std::size_t pending = 0;   // credit that is not given yet
    Time given = Time::min();  // when some was last
  };

  std::vector<Stream>::iterator place_of(StreamId id);
  Stream& stream(StreamId id);

  const std::size_t initial_, largest_;
  std::vector<Stream> streams_;  // by their IDs; a stream is here once some of it was consumed
};

}  // namespace sallyport::quic
