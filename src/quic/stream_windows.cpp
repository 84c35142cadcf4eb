#include "quic/stream_windows.h"

#include <algorithm>

namespace sallyport::quic {
namespace {

// ngtcp2 sends MAX_STREAM_DATA when there is credit for a quarter of the first window.
constexpr std::size_t share = 4;
// Room that a connection keeps while no stream is open: enough for one request after another.
constexpr std::size_t kept_capacity = 4;

}  // namespace

std::vector<StreamWindows::Stream>::iterator StreamWindows::place_of(StreamId id) {
  return std::ranges::lower_bound(streams_, id, {}, &Stream::id);
}

StreamWindows::Stream& StreamWindows::stream(StreamId id) {
  const auto place = place_of(id);
  if (place != streams_.end() && place->id == id) return *place;
  return *streams_.insert(place, {id, ReceiveWindow(initial_, largest_, share)});
}

std::size_t StreamWindows::consumed(StreamId id, std::size_t count, Time now, Duration round_trip) {
  if (!is_bidirectional(id)) return count;
  Stream& its = stream(id);
  const std::size_t before = its.window.size();
  its.window.consumed(count, now, round_trip);
  const std::size_t credit = count + its.window.size() - before;
  const std::size_t taken = std::min(credit, its.withheld);
  its.withheld -= taken;
  return credit - taken;
}

void StreamWindows::lower_limit(StreamId id, std::size_t bytes) {
  Stream& its = stream(id);
  its.withheld += its.window.lower(std::max(bytes, initial_));
}

void StreamWindows::forget(StreamId id) {
  const auto place = place_of(id);
  if (place != streams_.end() && place->id == id) streams_.erase(place);
  if (streams_.empty() && streams_.capacity() > kept_capacity) clear();
}

}  // namespace sallyport::quic
