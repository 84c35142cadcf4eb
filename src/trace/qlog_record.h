// The format of QlogRecorder's events in a Ring: one fixed structure for each kind, then up to two byte
// strings. The writer's thread converts them to JSON.
#pragma once

#include "base/bytes.h"
#include "base/time.h"
#include "net/address.h"
#include "trace/recorder.h"

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace sallyport::trace {

enum class EventKind : std::uint8_t {
  packet,
  datagrams,
  packet_lost,
  packet_dropped,
  metrics,
  path,
  transport_parameters,
  alpn,
  key_updated,
  state,
  closed,
  http_frame,
  http_stream_type,
  capsule,
  note,
  gap,  ///< events were dropped here
};

/// First in every record.
struct RecordHead {
  EventKind kind{};
  Direction direction{};     ///< also the owner, for parameters and stream types
  std::uint32_t first = 0;   ///< bytes of the first byte string
  std::uint32_t second = 0;  ///< and of the second
  Time time{};
};

struct PacketRecord {
  RecordHead head;  ///< then the header, then the skeleton of the frames
  std::uint64_t number = 0;
  std::uint32_t version = 0;
  std::uint32_t size = 0;
  std::uint32_t payload_size = 0;
  PacketType type{};
  bool key_phase = false;
  bool mtu_probe = false;
};
struct DatagramsRecord {
  RecordHead head;
  std::uint64_t count = 0, bytes = 0;
};
struct PacketLostRecord {
  RecordHead head;
  std::uint64_t number = 0;
  PacketType type{};
};
struct PacketDroppedRecord {
  RecordHead head;  ///< then the details
  std::uint64_t bytes = 0;
  PacketType type{};
  DropCause cause{};
};
struct MetricsRecord {
  RecordHead head;
  Metrics metrics;
};
struct PathRecord {
  RecordHead head;
  net::NetPath path;
  std::uint64_t max_datagram_size = 0;
};
struct TransportParametersRecord {
  RecordHead head;  ///< then the front of the encoded extension
  std::uint64_t full_size = 0;
};
/// alpn (the protocol), state (its name), note (the text).
struct TextRecord {
  RecordHead head;
};
struct KeyUpdatedRecord {
  RecordHead head;
  std::uint64_t updates = 0;
  bool by_peer = false;
};
struct ClosedRecord {
  RecordHead head;  ///< then the reason
  std::uint64_t code = 0;
  Closing::Cause cause{};
  bool by_peer = false, application = false;
};
struct HttpFrameRecord {
  RecordHead head;  ///< then the fields
  HttpFrameKind kind{};
  std::int64_t stream_id = 0;
  std::uint64_t length = 0, id = 0;
};
struct HttpStreamTypeRecord {
  RecordHead head;
  std::int64_t stream_id = 0;
  std::uint64_t type = 0;
};
struct CapsuleRecord {
  RecordHead head;
  Capsule capsule;
};
struct GapRecord {
  RecordHead head;
  std::uint64_t dropped = 0;
};

/// The record of type R at the front of `bytes`.
template <class R>
R load_record(Bytes bytes) {
  static_assert(std::is_trivially_copyable_v<R>);
  R record;
  std::memcpy(static_cast<void*>(&record), bytes.data(), sizeof record);
  return record;
}

/// The byte strings behind the record of type R at the front of `bytes`.
template <class R>
Bytes first_string(Bytes bytes, const R& record) {
  return bytes.subspan(sizeof(R), record.head.first);
}
template <class R>
Bytes second_string(Bytes bytes, const R& record) {
  return bytes.subspan(sizeof(R) + record.head.first, record.head.second);
}

}  // namespace sallyport::trace
