// qlog: recorders that write one JSON-SEQ file a connection (draft-ietf-quic-qlog-*), <ODCID>_server.sqlog or
// <ODCID>_client.sqlog, in a folder. Frames are decoded on the writer's thread, never on the connection's.
#pragma once

#include "base/result.h"
#include "trace/recorder.h"

#include <memory>
#include <string>

namespace sallyport::trace {

struct QlogOptions {
  std::string folder;  ///< made when missing
  std::size_t ring_bytes =
      4 * 1024 * 1024;  ///< for a connection's unwritten events; overflow is dropped and counted
};

/// Destroying the factory, after its recorders, flushes and closes all files.
Result<std::shared_ptr<RecorderFactory>> make_qlog_factory(const QlogOptions& options);

/// The error of make_qlog_factory() for this folder, which is not made.
Result<> check_qlog_folder(const std::string& folder);

/// Events that were dropped since the start because a ring was full or the disk refused
/// (docs/threat-model.md, "slow disk for records" and "full disk").
std::uint64_t qlog_events_dropped();

}  // namespace sallyport::trace
