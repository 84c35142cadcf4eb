// Limits: what one peer may cost us, the same for all versions (docs/threat-model.md, "header bomb" and
// "slow peer"). Defaults are for a server on the open internet.
#pragma once

#include "base/time.h"

#include <cstddef>
#include <cstdint>

namespace sallyport::http {

struct Limits {
  std::size_t max_section_size = 64 * 1024;  ///< decoded field section; more gets 431
  std::size_t max_fields = 256;
  std::size_t max_held_heads = 512 * 1024;  ///< of all open requests of a connection; more get 431
  std::size_t max_path = 16 * 1024;
  Duration header_timeout = 10s;  ///< from the first byte of a request to its complete head
  Duration idle_timeout =
      60s;  ///< TCP: a connection without exchanges; an exchange without progress in either direction
  /// A request whose response is whole: its body may stand still for so long, then it is not waited for
  /// (Firefox neither goes on with it nor ends its stream).
  Duration answered_timeout = 2s;
  std::size_t max_concurrent_streams = 100;
  std::size_t max_capsule = 70'000;  ///< bytes of a capsule's value that are buffered
  std::size_t early_datagrams =
      16;  ///< datagrams held for a stream that is not ready yet (RFC 9298 §5), a connection
  Duration early_datagram_hold = 250ms;
  /// Events that cost us more than the peer (resets, STOP_SENDING, empty DATA, unknown frames,
  /// PRIORITY_UPDATE, SETTINGS, PING): this many at once, this many a second after, and more with a peer that
  /// does useful things as well (AbuseBudget); beyond, the connection closes with EXCESSIVE_LOAD /
  /// ENHANCE_YOUR_CALM.
  std::uint32_t abuse_burst = 400;
  std::uint32_t abuse_per_second = 100;

  bool operator==(const Limits&) const = default;
};

}  // namespace sallyport::http
