// Reads qlog files of any writer: current and older drafts, JSON-SEQ (RFC 7464), newline-delimited and
// contained JSON, events as objects or as arrays. Reads record by record, so files may be of any size; input
// may be malformed.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "inspect/qlog_event.h"

#include <string>

namespace sallyport::inspect {

/// Reads all of the file. An Error names the file and the record (JSON-SEQ, newline-delimited) or line
/// (contained).
Result<> read_qlog(const std::string& path, QlogSink& sink);

/// The same for a byte string; `name` is the file's name in errors.
Result<> read_qlog(Bytes bytes, const std::string& name, QlogSink& sink);

}  // namespace sallyport::inspect
