// CoDel: decides which datagrams at the head of a flow's queue are dropped, so that the flow's sender hears
// of a queue that does not go away (RFC 8289 §5). One for each flow of a DatagramQueue (RFC 8290).
#pragma once

#include "base/time.h"

#include <cstdint>

namespace sallyport::quic {

class CoDel {
 public:
  /// Whether the head, which has waited for `sojourn`, is to be dropped; asked again of the next one then.
  /// `standing`: more than a packet waits. Asked at any time, also more than once of the same head.
  bool drops(Duration sojourn, bool standing, Duration target, Duration interval, Time now);
  /// The flow has nothing left, or its head has not waited for long.
  void on_short() {
    above_since_ = {};
    dropping_ = false;
  }

 private:
  bool is_above(Duration sojourn, bool standing, Duration target, Duration interval, Time now);

  Time above_since_{};  // 0: the last head had not waited for long
  Time next_{};         // the next drop, while dropping_
  std::uint32_t count_ = 0, last_count_ = 0;
  bool dropping_ = false;
};

}  // namespace sallyport::quic
