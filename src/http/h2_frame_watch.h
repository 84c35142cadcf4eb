// H2FrameWatch: counts the frames that cost us more than the peer (docs/threat-model.md, "Rapid Reset" and
// "frame flood") by walking the frame heads in what a peer sends. nghttp2 reports neither unknown frames nor
// those of streams that are gone, so its callbacks cannot count them. It also sees what nghttp2 lets pass on
// streams that cannot have it. Used by H2Connection.
#pragma once

#include "base/bytes.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sallyport::http {

class H2FrameWatch {
 public:
  /// `of_client`: whose frames they are. A client's begin with its preface (RFC 9113 §3.4). A server's
  /// RST_STREAM costs nothing: it ends what we asked for.
  explicit H2FrameWatch(bool of_client) : skip_(of_client ? 24 : 0), of_client_(of_client) {}

  /// Walks the next bytes received; returns how many costly frames began in them: RST_STREAM, PING, SETTINGS,
  /// PRIORITY, PRIORITY_UPDATE, unknown types, CONTINUATION, and DATA without content that ends nothing.
  /// DATA with content pays for a PING behind it: who measures the path while data moves (gRPC does) is no
  /// flooder.
  std::uint32_t feed(Bytes bytes);
  /// PRIORITY came on stream 0 (RFC 9113 §6.3), or a client opened a stream that it had passed over (§5.1.1):
  /// the connection is to end with PROTOCOL_ERROR.
  bool saw_wrong_stream() const { return wrong_stream_; }
  /// We sent DATA with content, which pays as well.
  void data_sent() { pay_for_ping(); }

 private:
  std::uint32_t count_head();
  std::int32_t stream() const;
  /// HEADERS of a client came on `stream`: it was passed over before.
  bool comes_too_late(std::int32_t stream);
  void pay_for_ping() { paid_pings_ = std::min(paid_pings_ + 1, 16u); }

  std::array<std::uint8_t, 10> head_{};  // a frame's head, and the pad length of padded DATA
  std::size_t head_size_ = 0;
  std::size_t head_needed_ = 9;
  std::size_t skip_;
  std::uint32_t paid_pings_ = 0;
  /// Streams that the client passed over: those between these two.
  struct Gap {
    std::int32_t from = -1, to = -1;
  };
  std::array<Gap, 8> passed_{};  // the last ones; earlier ones are forgotten
  std::size_t next_gap_ = 0;
  std::int32_t newest_ = -1;  // the highest that HEADERS came on; the first would be 1
  const bool of_client_;
  bool wrong_stream_ = false;
};

}  // namespace sallyport::http
