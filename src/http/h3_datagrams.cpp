#include "http/h3_datagrams.h"

#include <algorithm>
#include <utility>

namespace sallyport::http {

EarlyDatagrams::EarlyDatagrams(net::Timers& timers, const Limits& limits, ConnectionCounters& counters,
                               Receiver& receiver)
    : timers_(timers),
      limits_(limits),
      counters_(counters),
      receiver_(receiver),
      deliver_(timers, [this](Time) { deliver(); }),
      expire_(timers, [this](Time now) { expire(now); }) {}

void EarlyDatagrams::hold(quic::StreamId id, Bytes payload) {
  if (held_.size() >= limits_.early_datagrams) {
    ++counters_.datagrams_dropped_unknown_stream;
    return;
  }
  const Time until = timers_.now() + limits_.early_datagram_hold;
  held_.push_back({id, until, Chunk::copy_of(payload), false});
  if (!expire_.armed()) expire_.arm(until);
}

bool EarlyDatagrams::holds(quic::StreamId id) const {
  return std::ranges::find(held_, id, &Held::id) != held_.end();
}

void EarlyDatagrams::release(quic::StreamId id) {
  for (Held& held : held_) {
    if (held.id != id) continue;
    held.released = true;
    deliver_.request();
  }
}

void EarlyDatagrams::drop(quic::StreamId id) {
  counters_.datagrams_dropped_unknown_stream +=
      std::erase_if(held_, [&](const Held& held) { return held.id == id && !held.released; });
}

void EarlyDatagrams::deliver() {
  // A receiver may cause more to be held, so what is delivered is taken out first.
  std::vector<Held> ready;
  std::vector<Held> rest;
  for (Held& held : held_) (held.released ? ready : rest).push_back(std::move(held));
  held_ = std::move(rest);
  for (const Held& held : ready)
    if (!receiver_.deliver_early(held.id, held.payload.bytes())) ++counters_.datagrams_dropped_unknown_stream;
}

void EarlyDatagrams::expire(Time now) {
  counters_.datagrams_dropped_unknown_stream +=
      std::erase_if(held_, [&](const Held& held) { return held.until <= now && !held.released; });
  if (held_.empty())
    held_.shrink_to_fit();
  else
    expire_.arm(held_.front().until);
}

}  // namespace sallyport::http
