#include "masque/datagram_sender.h"

#include "masque/context_id.h"

#include <algorithm>

namespace sallyport::masque {

bool DatagramSender::send(http::Exchange& exchange, const net::DatagramRun& run) {
  Bytes rest = run.bytes;
  if (!blocked_ && push(exchange, rest, run.segment_size)) return true;
  blocked_ = true;
  hold(rest, run.segment_size);
  return false;
}

bool DatagramSender::resume(http::Exchange& exchange) {
  blocked_ = false;
  std::size_t done = 0;
  for (Held& held : held_) {
    Bytes rest = held.bytes.bytes();
    blocked_ = !push(exchange, rest, held.segment_size);
    const std::size_t taken = held.bytes.size() - rest.size();
    held_bytes_ -= taken;
    budget_.give_back(taken);
    held.bytes.remove_prefix(taken);
    if (blocked_) break;
    ++done;
  }
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(done));
  return !blocked_;
}

void DatagramSender::release() {
  budget_.give_back(held_bytes_);
  held_bytes_ = 0;
  held_.clear();
}

/// Takes datagrams off the front of `rest` while the exchange takes them. An empty run is one empty datagram.
bool DatagramSender::push(http::Exchange& exchange, Bytes& rest, std::size_t segment_size) {
  do {
    const Bytes datagram = rest.first(std::min(segment_size, rest.size()));
    if (exchange.send_datagram(payload_context_prefix, datagram)) {
      ++counters_.datagrams;
      counters_.bytes += datagram.size();
    } else if (payload_context_prefix.size() + datagram.size() > exchange.max_datagram_payload()) {
      ++counters_.dropped_size;
    } else {
      return false;
    }
    rest = rest.subspan(datagram.size());
  } while (!rest.empty());
  return true;
}

void DatagramSender::hold(Bytes rest, std::size_t segment_size) {
  if (held_bytes_ + rest.size() > max_held || !budget_.take(rest.size())) {
    counters_.dropped_queue += std::max<std::size_t>(net::DatagramRun{rest, segment_size}.count(), 1);
    return;
  }
  held_.push_back({Chunk::copy_of(rest), segment_size});
  held_bytes_ += rest.size();
}

}  // namespace sallyport::masque
