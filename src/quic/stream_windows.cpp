#include "quic/stream_windows.h"

#include <algorithm>
#include <utility>

namespace sallyport::quic {
namespace {

// The share of a window that has to be emptied within two round trips for it to grow, as ngtcp2 has it.
constexpr std::size_t growing_share = 4;
// Credit is given for more than so large a share at once, as fewer frames cost less; what is consumed later
// in the same turn goes with it in one frame. A peer that is held back by its window may always lack so much
// of it. (ngtcp2 sends no MAX_STREAM_DATA for less than a quarter of the first window.)
constexpr std::size_t credit_share = 16;
// Room that a connection keeps while no stream is open: enough for one request after another.
constexpr std::size_t kept_capacity = 4;

}  // namespace

std::vector<StreamWindows::Stream>::iterator StreamWindows::place_of(StreamId id) {
  return std::ranges::lower_bound(streams_, id, {}, &Stream::id);
}

StreamWindows::Stream& StreamWindows::stream(StreamId id) {
  const auto place = place_of(id);
  if (place != streams_.end() && place->id == id) return *place;
  return *streams_.insert(place, {id, ReceiveWindow(initial_, largest_, growing_share)});
}

bool StreamWindows::has(StreamId id) {
  const auto place = place_of(id);
  return place != streams_.end() && place->id == id;
}

std::size_t StreamWindows::consumed(StreamId id, std::size_t count, Time now, Duration round_trip) {
  if (!is_bidirectional(id)) return count;
  Stream& its = stream(id);
  const std::size_t before = its.window.size();
  its.window.consumed(count, now, round_trip);
  const std::size_t credit = count + its.window.size() - before;
  const std::size_t taken = std::min(credit, its.withheld);
  its.withheld -= taken;
  its.pending += credit - taken;
  if (its.pending <= its.window.size() / credit_share && its.given != now) return 0;
  its.given = now;
  return std::exchange(its.pending, 0);
}

void StreamWindows::lower_limit(StreamId id, std::size_t bytes) {
  Stream& its = stream(id);
  its.withheld += its.window.lower(std::max(bytes, initial_));
  const std::size_t taken = std::min(its.withheld, its.pending);  // the peer does not know of it yet
  its.withheld -= taken;
  its.pending -= taken;
}

void StreamWindows::forget(StreamId id) {
  if (has(id)) streams_.erase(place_of(id));
  if (streams_.empty() && streams_.capacity() > kept_capacity) clear();
}

}  // namespace sallyport::quic
