// A qlog in normalized form, independent of its writer and draft: traces, and the events used for figures.
// Names are those of the current draft, times in milliseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::inspect {

/// One trace of a file: one vantage point's view.
struct QlogTrace {
  std::string title;
  std::string writer;   ///< vantage_point.name
  std::string vantage;  ///< "client", "server", or "" where the file does not say; of a network tap: its flow
  std::string connection_id;  ///< ODCID or group_id, as in the file.
  /// The wall-clock time of event time 0, milliseconds since 1970; 0 if not in the file: event times may be
  /// absolute.
  double reference_time = 0;
};

/// How a connection ended: a connection_closed event, or a CONNECTION_CLOSE frame.
struct QlogClose {
  bool by_peer = false;
  std::string error;    ///< as the file spells it: "no_error", "H3_NO_ERROR"; a number as "0x100"; or ""
  std::string reason;   ///< the reason phrase
  std::string trigger;  ///< of the event: "idle_timeout" ...
};

/// The data of a STREAM frame.
struct QlogStreamPiece {
  std::uint64_t stream_id = 0, offset = 0, length = 0;
};

/// Reused by the reader; only the fields of its kind are valid.
struct QlogEvent {
  enum class Kind : std::uint8_t {
    packet_sent,
    packet_received,
    packet_lost,
    metrics,
    http_frame_sent,
    http_frame_received,
    state,
    closed,
    gap,  ///< the writer reports missing events
    other,
  };
  Kind kind = Kind::other;
  double time = 0;    ///< milliseconds, with one origin for the whole trace
  std::string group;  ///< the event's own group_id; else empty

  // packet_*
  std::string packet_type;   ///< in lower case: "initial", "1rtt" ...
  std::uint64_t length = 0;  ///< bytes on the wire; 0 if not in the file
  bool mtu_probe = false;
  std::uint64_t packets = 1;  ///< of packet_lost: some writers report several at once
  std::vector<QlogStreamPiece> streams;
  std::uint64_t datagrams = 0, datagram_bytes = 0;
  std::optional<QlogClose> close;  ///< also of closed

  // metrics: the values in this event
  std::optional<double> latest_rtt, min_rtt, smoothed_rtt;  ///< milliseconds
  std::optional<std::uint64_t> congestion_window;

  // http_frame_*
  std::uint64_t stream_id = 0;
  bool is_headers = false, is_data = false;

  std::string state;          ///< connection_state_updated.new, in lower case
  std::uint64_t missing = 0;  ///< gap
};

class QlogSink {
 public:
  virtual ~QlogSink() = default;
  /// Called before the events of a trace. A file's traces are numbered from 0.
  virtual void on_trace(std::size_t number, const QlogTrace& trace) = 0;
  /// False ends the reading.
  virtual bool on_event(std::size_t trace, const QlogEvent& event) = 0;
  /// The file ends in an incomplete record: its writer was interrupted.
  virtual void on_cut() = 0;
};

}  // namespace sallyport::inspect
