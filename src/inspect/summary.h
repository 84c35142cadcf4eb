// The figures of `sallyport trace summary`, computed from any qlog in one pass and bounded memory.
// docs/trace.md explains them to users; these definitions are authoritative.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::inspect {

/// One direction, as the vantage point saw it.
struct DirectionSummary {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  ///< of QUIC packets, if the file has their lengths
  std::uint64_t stream_bytes =
      0;  ///< STREAM data without retransmissions: the sum of each stream's highest offset
  std::uint64_t datagrams = 0;       ///< DATAGRAM frames
  std::uint64_t datagram_bytes = 0;  ///< their data
  /// `bytes` over the duration of the trace, Mbit/s.
  std::optional<double> throughput;
  /// STREAM and DATAGRAM data over the time from the first to the last packet that carried any, Mbit/s.
  std::optional<double> goodput;
};

struct RttSummary {
  std::uint64_t samples = 0;  ///< values of latest_rtt, each that differs from the one before it
  double min = 0, mean = 0, p99 = 0;
  double jitter =
      0;  ///< mean absolute difference of successive samples (RFC 3550 §6.4.1 without its smoothing)
};

struct WindowSummary {
  std::uint64_t min = 0, max = 0, last = 0;
  double mean = 0;  ///< weighted with the time that each value held
};

/// How the connection ended.
struct CloseSummary {
  std::string by;       ///< "client" or "server"; "" if neither closed it, as at an idle timeout
  std::string error;    ///< as the file spells it, or "0x100"
  std::string reason;   ///< the reason phrase
  std::string trigger;  ///< as the file spells it: "idle_timeout", "stateless_reset" ...
};

/// One trace. Times in milliseconds; nullopt if not in the file, or if both ends have the same time in it, as
/// where they are of one turn of the writer's event loop.
struct TraceSummary {
  std::string file, title, writer, connection_id;
  std::string vantage;  ///< "client" or "server"; of a file that does not say, told by who sent first
  std::uint64_t events = 0;
  /// Events reported as dropped by the writer: the figures lack them.
  std::uint64_t events_missing = 0;
  std::optional<double> start;  ///< first event, milliseconds since 1970 (UTC)
  bool cut = false;             ///< the file ends in the middle of a record
  double duration = 0;          ///< first to last packet
  DirectionSummary sent, received;
  std::uint64_t packets_lost = 0;  ///< sent, then deemed lost; path MTU probes are not counted
  std::uint64_t mtu_probes_lost = 0;
  double loss_percent = 0;  ///< packets_lost of sent.packets
  /// First packet to the handshake's completion: the state "handshake_complete" or, where none is logged, the
  /// first 1-RTT packet that a client sends or a server receives.
  std::optional<double> handshake;
  /// First packet to the first 1-RTT packet that the server sends and the client receives.
  std::optional<double> quic_ttfb;
  /// First HEADERS frame of the first request to the first HEADERS or DATA frame of its response. Where no
  /// HTTP frames are logged, the STREAM frames of the first client-initiated bidirectional stream stand for
  /// them.
  std::optional<double> http_ttfb;
  std::optional<double> http_ttfb_mean;  ///< of all requests that were answered
  std::uint64_t requests = 0;            ///< answered ones
  std::optional<RttSummary> rtt;
  std::optional<WindowSummary> congestion_window;
  /// The file's connection_closed event or, where it has none, its first CONNECTION_CLOSE frame.
  std::optional<CloseSummary> close;
};

/// One TraceSummary for each trace (and each group_id of its events) in the file.
Result<std::vector<TraceSummary>> summarize_qlog(const std::string& path);
/// The same for a byte string; `name` is the file's name.
Result<std::vector<TraceSummary>> summarize_qlog(Bytes bytes, const std::string& name);

/// Sorts by start; traces without a start keep their order, at the end.
void sort_by_start(std::vector<TraceSummary>& summaries);

/// A JSON array of objects, with a line feed at its end. Field names are those of the structures, with units:
/// "duration_ms".
std::string summaries_as_json(const std::vector<TraceSummary>& summaries);
/// A table for a terminal: figures are rows, traces are columns; split into several tables of at most 100
/// characters width.
std::string summaries_as_table(const std::vector<TraceSummary>& summaries);

}  // namespace sallyport::inspect
