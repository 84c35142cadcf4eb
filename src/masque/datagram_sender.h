// DatagramSender: sends runs of UDP payloads as HTTP datagrams (context ID 0) of one exchange, the same on a
// proxy's and on a client's side. When the queue below is full it holds the rest of the run, so that its user
// loses nothing if it stops then.
#pragma once

#include "base/chunk.h"
#include "http/exchange.h"
#include "masque/byte_budget.h"
#include "net/datagram_path.h"

#include <cstdint>
#include <vector>

namespace sallyport::masque {

/// Counted over all senders that share it.
struct DatagramSendCounters {
  std::uint64_t datagrams = 0, bytes = 0;
  std::uint64_t dropped_size = 0;  ///< larger than the connection below carries
  /// Came while blocked and could not be held any more, or dropped from the full queue below.
  std::uint64_t dropped_queue = 0;
  std::uint64_t dropped_sojourn = 0;  ///< had waited for too long

  /// Of datagrams that were sent, and counted so.
  void drop(http::DatagramDrop why) {
    ++(why == http::DatagramDrop::sojourn ? dropped_sojourn : dropped_queue);
  }
};

class DatagramSender {
 public:
  /// Both must outlive the sender. `budget`: what it holds is taken from there.
  DatagramSender(DatagramSendCounters& counters, ByteBudget& budget) : counters_(counters), budget_(budget) {}
  ~DatagramSender() { release(); }
  DatagramSender(const DatagramSender&) = delete;
  DatagramSender& operator=(const DatagramSender&) = delete;

  /// True: all of it went (or was too large, and was dropped). False: blocked; the rest is held, or dropped
  /// where that is not possible. Send no more until resume() said true.
  bool send(http::Exchange& exchange, const net::DatagramRun& run);
  /// For on_datagrams_writable. True when nothing is held any more: send() may go on.
  bool resume(http::Exchange& exchange);
  bool blocked() const { return blocked_; }
  /// Forgets what is held: the exchange ended.
  void release();

 private:
  // A receiving socket hands over this much at most after it was told to pause: the rest of one recvmmsg
  // call.
  static constexpr std::size_t max_held = 1024 * 1024;

  struct Held {
    Chunk bytes;
    std::size_t segment_size;
  };
  bool push(http::Exchange& exchange, Bytes& rest, std::size_t segment_size);
  void hold(Bytes rest, std::size_t segment_size);

  DatagramSendCounters& counters_;
  ByteBudget& budget_;
  std::vector<Held> held_;
  std::size_t held_bytes_ = 0;
  bool blocked_ = false;
};

}  // namespace sallyport::masque
