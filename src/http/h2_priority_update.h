// H2PriorityUpdateReader: reads PRIORITY_UPDATE frames (RFC 9218 §7.1) for an H2Connection that is a server.
// nghttp2 could read them itself, but opens idle streams by them, which up to 1.60 it frees twice and counts
// wrong, and on which all versions so far abort while they drain; so it only hands over what it does not look
// into.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "http/message.h"

#include <cstdint>
#include <optional>
#include <vector>

#include <nghttp2/nghttp2.h>

namespace sallyport::http {

struct H2PriorityUpdate {
  std::int32_t stream = 0;
  std::optional<Priority> priority;  ///< nullopt: cannot be read, and is to be ignored
};

class H2PriorityUpdateReader {
 public:
  /// The next piece of the frame's payload; keeps no more of it than a frame may have.
  void add(Bytes piece);
  /// All of the payload of the frame with this head was added. An Error ends the connection; its code is the
  /// GOAWAY's.
  Result<H2PriorityUpdate> finish(const nghttp2_frame_hd& head);

 private:
  std::vector<std::uint8_t> payload_;
};

}  // namespace sallyport::http
