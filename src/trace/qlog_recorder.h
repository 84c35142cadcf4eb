// QlogRecorder: a connection's Recorder; copies each event to a Ring, which QlogWriter's thread reads.
#pragma once

#include "base/ring.h"
#include "trace/qlog_record.h"
#include "trace/qlog_serializer.h"
#include "trace/recorder.h"
#include "trace/writer_thread.h"

#include <atomic>
#include <memory>

namespace sallyport::trace {

/// Shared by a connection's thread and the writer's thread.
struct ConnectionLog {
  ConnectionLog(QlogIdentity who, std::size_t ring_bytes) : identity(std::move(who)), ring(ring_bytes) {}
  const QlogIdentity identity;
  Ring ring;
  std::atomic<std::uint64_t> dropped_at_end = 0;  ///< after the last record; set before `closed`
  std::atomic<bool> closed = false;               ///< no further events
};

class QlogRecorder final : public Recorder {
 public:
  QlogRecorder(std::shared_ptr<ConnectionLog> log, std::shared_ptr<Alarm> alarm)
      : log_(std::move(log)), alarm_(std::move(alarm)) {}
  ~QlogRecorder() override;

  void packet(Time now, Direction direction, const Packet& packet) override;
  void datagrams(Time now, Direction direction, std::size_t count, std::size_t bytes) override;
  void packet_lost(Time now, PacketType type, std::uint64_t number) override;
  void packet_dropped(Time now, PacketType type, std::size_t bytes, DropCause cause,
                      std::string_view details) override;
  void metrics(Time now, const Metrics& metrics) override;
  void path(Time now, const net::NetPath& path, std::size_t max_datagram_size) override;
  void transport_parameters(Time now, Direction owner, Bytes encoded) override;
  void alpn(Time now, std::string_view protocol) override;
  void key_updated(Time now, bool by_peer, std::uint64_t updates) override;
  void state(Time now, std::string_view state) override;
  void closed(Time now, const Closing& closing) override;
  void http_frame(Time now, Direction direction, const HttpFrame& frame) override;
  void http_stream_type(Time now, Direction owner, std::int64_t stream_id, std::uint64_t type) override;
  void capsule(Time now, Direction direction, const Capsule& capsule) override;
  void note(Time now, std::string_view text) override;

 private:
  template <class R>
  void push(R record, Bytes first = {}, Bytes second = {});
  void push_text(EventKind kind, Time now, std::string_view text);
  /// Room for `size` bytes, preceded by a gap record if events were dropped; null, and counted, when the ring
  /// is full.
  std::uint8_t* reserve(Time now, std::size_t size);
  void commit(std::size_t size);

  std::shared_ptr<ConnectionLog> log_;
  std::shared_ptr<Alarm> alarm_;
  std::uint64_t dropped_ = 0;  ///< since the last record that fitted
};

/// Adds to qlog_events_dropped().
void count_dropped_events(std::uint64_t count);

}  // namespace sallyport::trace
