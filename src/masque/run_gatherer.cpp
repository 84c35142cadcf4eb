#include "masque/run_gatherer.h"

#include "net/gso.h"

#include <algorithm>
#include <cstring>

namespace sallyport::masque {
namespace {

constexpr std::size_t buffer_size = 64 * 1024;
static_assert(buffer_size >= net::max_gso_bytes);

}  // namespace

struct RunGatherer::Buffer {
  Lane* lane = nullptr;
  std::size_t size = 0;
  std::size_t segment_size = 0;
  std::size_t count = 0;
  bool ended = false;  // the last segment is a shorter one, which only the last may be
  std::array<std::uint8_t, buffer_size> bytes;

  bool takes(std::size_t more) const {
    return !ended && more <= segment_size && count < net::max_gso_segments &&
           size + more <= net::max_gso_bytes;
  }
};

RunGatherer::RunGatherer(net::Timers& timers, Drops& drops)
    : drops_(drops), flush_(timers, [this](Time) {
        while (!waiting_.empty()) send(*waiting_.front());
      }) {}

RunGatherer::~RunGatherer() = default;

void RunGatherer::add(Lane& lane, net::DatagramPath& path, Bytes payload) {
  if (lane.buffer_ != nullptr && (payload.empty() || !lane.buffer_->takes(payload.size()))) flush(lane);
  if (payload.empty()) {
    // Stands alone: in a run it would have no length.
    if (path.send({}, {}) == net::SendStatus::dropped) ++drops_.queue;
    return;
  }
  Buffer& buffer = lane.buffer_ != nullptr ? *lane.buffer_ : borrow(lane, path);
  if (buffer.count == 0) buffer.segment_size = payload.size();
  std::memcpy(buffer.bytes.data() + buffer.size, payload.data(), payload.size());
  buffer.size += payload.size();
  ++buffer.count;
  buffer.ended = payload.size() < buffer.segment_size;
}

void RunGatherer::flush(Lane& lane) {
  if (lane.buffer_ != nullptr) send(*lane.buffer_);
}

RunGatherer::Buffer& RunGatherer::borrow(Lane& lane, net::DatagramPath& path) {
  if (waiting_.size() == max_buffers) send(*waiting_.front());
  std::unique_ptr<Buffer> buffer;
  if (free_.empty()) {
    buffer = std::make_unique_for_overwrite<Buffer>();
  } else {
    buffer = std::move(free_.back());
    free_.pop_back();
  }
  buffer->lane = &lane;
  buffer->size = buffer->segment_size = buffer->count = 0;
  buffer->ended = false;
  lane.path_ = &path;
  lane.buffer_ = buffer.get();
  waiting_.push_back(std::move(buffer));
  flush_.request();
  return *lane.buffer_;
}

void RunGatherer::send(Buffer& buffer) {
  // Taken off its lane first: sending may end the path, and with it the flow.
  net::DatagramPath& path = *buffer.lane->path_;
  buffer.lane->buffer_ = nullptr;
  const auto at = std::ranges::find(waiting_, &buffer, [](const auto& waiting) { return waiting.get(); });
  std::unique_ptr<Buffer> owned = std::move(*at);
  waiting_.erase(at);
  const net::DatagramRun run{{owned->bytes.data(), owned->size}, owned->segment_size};
  switch (path.send({}, run)) {
    case net::SendStatus::sent:
    case net::SendStatus::blocked:
      break;
    case net::SendStatus::dropped:
      drops_.queue += run.count();
      break;
    case net::SendStatus::too_large:
      drops_.size += run.count();
      break;
  }
  free_.push_back(std::move(owned));
}

}  // namespace sallyport::masque
