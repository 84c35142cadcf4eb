#include "trace/qlog_recorder.h"

#include "base/escape.h"
#include "trace/qlog.h"
#include "trace/quic_frames.h"
#include "trace/transport_parameters.h"

#include <algorithm>

namespace sallyport::trace {
namespace {

std::atomic<std::uint64_t> dropped_events = 0;

// Texts come from peers too; one text must not fill the ring.
constexpr std::size_t max_text = 1024, max_fields = 16 * 1024;

RecordHead head(EventKind kind, Time now, Direction direction = Direction::sent) {
  return {.kind = kind, .direction = direction, .time = now};
}

/// Never inside a UTF-8 sequence, which would make the whole text invalid.
Bytes cut(std::string_view text, std::size_t most = max_text) {
  return as_bytes(utf8_front(text, most));
}

}  // namespace

void count_dropped_events(std::uint64_t count) {
  dropped_events.fetch_add(count, std::memory_order_relaxed);
}

std::uint64_t qlog_events_dropped() {
  return dropped_events.load(std::memory_order_relaxed);
}

QlogRecorder::~QlogRecorder() {
  log_->dropped_at_end.store(dropped_, std::memory_order_relaxed);
  log_->closed.store(true, std::memory_order_release);
  alarm_->ring();
}

std::uint8_t* QlogRecorder::reserve(Time now, std::size_t size) {
  if (dropped_ > 0) {
    GapRecord gap{head(EventKind::gap, now), dropped_};
    if (std::uint8_t* out = log_->ring.reserve(sizeof gap)) {
      std::memcpy(out, &gap, sizeof gap);
      log_->ring.commit(sizeof gap);
      dropped_ = 0;
    }
  }
  std::uint8_t* out = dropped_ == 0 ? log_->ring.reserve(size) : nullptr;
  if (!out) {
    ++dropped_;
    count_dropped_events(1);
  }
  return out;
}

void QlogRecorder::commit(std::size_t size) {
  const bool was_half_full = log_->ring.is_half_full();
  log_->ring.commit(size);
  // Alarm::ring() is a system call: made when the ring becomes half full, not for each later event.
  if (!was_half_full && log_->ring.is_half_full()) alarm_->ring();
}

template <class R>
void QlogRecorder::push(R record, Bytes first, Bytes second) {
  record.head.first = static_cast<std::uint32_t>(first.size());
  record.head.second = static_cast<std::uint32_t>(second.size());
  const std::size_t size = sizeof(R) + first.size() + second.size();
  std::uint8_t* out = reserve(record.head.time, size);
  if (!out) return;
  std::memcpy(out, &record, sizeof(R));
  std::copy(first.begin(), first.end(), out + sizeof(R));
  std::copy(second.begin(), second.end(), out + sizeof(R) + first.size());
  commit(size);
}

void QlogRecorder::push_text(EventKind kind, Time now, std::string_view text) {
  push(TextRecord{head(kind, now)}, cut(text));
}

void QlogRecorder::packet(Time now, Direction direction, const Packet& packet) {
  PacketRecord record{head(EventKind::packet, now, direction),
                      packet.number,
                      packet.version,
                      static_cast<std::uint32_t>(packet.size),
                      static_cast<std::uint32_t>(packet.frames.size()),
                      packet.type,
                      packet.key_phase,
                      packet.mtu_probe};
  const std::size_t fixed = sizeof record + packet.header.size();
  std::uint8_t* out = reserve(now, fixed + packet.frames.size());
  if (!out) return;
  record.head.first = static_cast<std::uint32_t>(packet.header.size());
  if (packet.type == PacketType::version_negotiation) {
    copy_bytes(packet.frames, out + fixed);
    record.head.second = record.payload_size;
  } else {
    record.head.second = static_cast<std::uint32_t>(copy_skeleton(packet.frames, out + fixed));
  }
  std::memcpy(out, &record, sizeof record);
  std::copy(packet.header.begin(), packet.header.end(), out + sizeof record);
  commit(fixed + record.head.second);
}

void QlogRecorder::datagrams(Time now, Direction direction, std::size_t count, std::size_t bytes) {
  push(DatagramsRecord{head(EventKind::datagrams, now, direction), count, bytes});
}

void QlogRecorder::packet_lost(Time now, PacketType type, std::uint64_t number) {
  push(PacketLostRecord{head(EventKind::packet_lost, now), number, type});
}

void QlogRecorder::packet_dropped(Time now, PacketType type, std::size_t bytes, DropCause cause,
                                  std::string_view details) {
  push(PacketDroppedRecord{head(EventKind::packet_dropped, now, Direction::received), bytes, type, cause},
       cut(details));
}

void QlogRecorder::metrics(Time now, const Metrics& metrics) {
  push(MetricsRecord{head(EventKind::metrics, now), metrics});
}

void QlogRecorder::path(Time now, const net::NetPath& path, std::size_t max_datagram_size) {
  push(PathRecord{head(EventKind::path, now), path, max_datagram_size});
}

void QlogRecorder::transport_parameters(Time now, Direction owner, Bytes encoded) {
  push(TransportParametersRecord{head(EventKind::transport_parameters, now, owner), encoded.size()},
       encoded.first(std::min(encoded.size(), max_logged_transport_parameters)));
}

void QlogRecorder::alpn(Time now, std::string_view protocol) {
  push_text(EventKind::alpn, now, protocol);
}

void QlogRecorder::key_updated(Time now, bool by_peer, std::uint64_t updates) {
  push(KeyUpdatedRecord{head(EventKind::key_updated, now), updates, by_peer});
}

void QlogRecorder::state(Time now, std::string_view state) {
  push_text(EventKind::state, now, state);
}

void QlogRecorder::closed(Time now, const Closing& closing) {
  push(ClosedRecord{head(EventKind::closed, now), closing.code, closing.cause, closing.by_peer,
                    closing.application},
       cut(closing.reason));
}

void QlogRecorder::http_frame(Time now, Direction direction, const HttpFrame& frame) {
  push(HttpFrameRecord{head(EventKind::http_frame, now, direction), frame.kind, frame.stream_id, frame.length,
                       frame.id},
       cut(frame.fields, max_fields));
}

void QlogRecorder::http_stream_type(Time now, Direction owner, std::int64_t stream_id, std::uint64_t type) {
  push(HttpStreamTypeRecord{head(EventKind::http_stream_type, now, owner), stream_id, type});
}

void QlogRecorder::capsule(Time now, Direction direction, const Capsule& capsule) {
  push(CapsuleRecord{head(EventKind::capsule, now, direction), capsule});
}

void QlogRecorder::note(Time now, std::string_view text) {
  push_text(EventKind::note, now, text);
}

}  // namespace sallyport::trace
