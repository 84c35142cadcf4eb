// H2FrameWatch: counts the frames that cost us more than the peer (bad inputs 18, 19) by walking the frame
// heads in what a peer sends. nghttp2 reports neither unknown frames nor those of streams that are gone, so
// its callbacks cannot count them. Used by H2Connection.
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstdint>

namespace sallyport::http {

class H2FrameWatch {
 public:
  /// `preface_size`: bytes before the first frame (24 from a client, RFC 9113 §3.4).
  explicit H2FrameWatch(std::size_t preface_size) : skip_(preface_size) {}

  /// Walks the next bytes received; returns how many costly frames began in them: RST_STREAM, PING, SETTINGS,
  /// PRIORITY, PRIORITY_UPDATE, unknown types, CONTINUATION, and DATA without content that ends nothing.
  std::uint32_t feed(Bytes bytes);

 private:
  std::uint32_t count_head();

  std::array<std::uint8_t, 10> head_{};  // a frame's head, and the pad length of padded DATA
  std::size_t head_size_ = 0;
  std::size_t head_needed_ = 9;
  std::size_t skip_;
};

}  // namespace sallyport::http
