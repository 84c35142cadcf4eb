#include "quic/stream_windows.h"

#include <algorithm>
#include <utility>

namespace sallyport::quic {
namespace {

// Credit is given for more than so large a share of the window at once: ngtcp2 sends no MAX_STREAM_DATA for
// less than a quarter of the first window, and fewer frames cost less.
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
  if (its.pending <= its.window.size() / share) return 0;
  return std::exchange(its.pending, 0);
}

void StreamWindows::lower_limit(StreamId id, std::size_t bytes) {
  Stream& its = stream(id);
  its.withheld += its.window.lower(std::max(bytes, initial_));
}

void StreamWindows::forget(StreamId id) {
  if (has(id)) streams_.erase(place_of(id));
  if (streams_.empty() && streams_.capacity() > kept_capacity) clear();
}

}  // namespace sallyport::quic
