// How DATAGRAM payloads (RFC 9221) wait for congestion control, in words that those who send and those who
// count need: what becomes of a sender that is too fast, why a datagram was dropped, and the bounds.
#pragma once

#include "base/time.h"

#include <cstddef>
#include <cstdint>

namespace sallyport::quic {

/// What becomes of a flow's datagrams when they come faster than they leave.
enum class WhenFull : std::uint8_t {
  /// The sender can wait: it is refused, and told when it may go on. Nothing that was taken is dropped.
  refuse,
  /// The sender cannot wait: its oldest datagrams are dropped, before they are too old. It is refused only
  /// while the queue is full of fresh ones, that is where the processor is the bottleneck and there is room
  /// again in a moment.
  drop,
};

/// Why a datagram that was taken is dropped.
enum class DatagramDrop : std::uint8_t {
  sojourn,  ///< it, or those before it, waited for too long (RFC 8289)
  full,     ///< to make room for a newer one of its flow
};

/// Bounds of a connection's datagram queue.
struct DatagramQueueOptions {
  /// Of payload. One flow alone may have half of it, N flows that are full an N+1st each: so those that have
  /// little find room at any time.
  std::size_t bytes = 1024 * 1024;
  /// No datagram of a flow that drops leaves later than this, or a round trip, where that is longer. CoDel
  /// acts long before it; this bounds what senders without congestion control see. With 100 ms, chains of
  /// four hops lost path MTU probes while their windows grew, and a transfer that an outage interrupted did
  /// not go on.
  Duration sojourn_limit = 500ms;
  /// CoDel's (RFC 8289 §4): of a flow that drops, which is to stay shorter than `target`, some are dropped
  /// once it was not for an `interval`.
  Duration target = 10ms, interval = 100ms;
  /// A flow that refuses does so while its oldest datagram has waited for longer than this.
  Duration patience = 20ms;
  /// A flow that drops refuses while it is full and its oldest datagram has waited for less than this.
  Duration fresh = 5ms;

  bool operator==(const DatagramQueueOptions&) const = default;
};

}  // namespace sallyport::quic
