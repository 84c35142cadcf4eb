// HTTP/3's frames (RFC 9114 §7): their types, a reader of their heads, and how heads are written.
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstdint>

namespace sallyport::http {

enum class H3Frame : std::uint64_t {
  data = 0x0,
  headers = 0x1,
  cancel_push = 0x3,
  settings = 0x4,
  push_promise = 0x5,
  goaway = 0x7,
  max_push_id = 0xd,
  priority_update = 0xf0700,  // RFC 9218 §7.2: of a request
  priority_update_push = 0xf0701,
};

/// Types that HTTP/2 has and HTTP/3 must not see (RFC 9114 §7.2.8).
constexpr bool is_http2_frame(std::uint64_t type) {
  return type == 0x2 || type == 0x6 || type == 0x8 || type == 0x9;
}

/// Types of unidirectional streams (RFC 9114 §6.2, RFC 9204 §4.2).
enum class H3StreamType : std::uint64_t {
  control = 0x0,
  push = 0x1,
  qpack_encoder = 0x2,
  qpack_decoder = 0x3
};

/// Reads frame heads byte by byte if need be, and remembers how much of a frame's payload is still to come.
class H3FrameHead {
 public:
  /// Takes bytes off the front of `in` until type and length are known; false when more are needed.
  bool take(Bytes& in);
  /// Between two frames.
  bool at_boundary() const { return !known_ && partial_size_ == 0; }
  /// Inside a frame whose head was read.
  bool known() const { return known_; }
  std::uint64_t type() const { return type_; }
  /// Bytes of payload still to come.
  std::uint64_t left() const { return left_; }
  /// Takes the next piece of payload off the front of `in`: all that is there and belongs to the frame.
  Bytes take_payload(Bytes& in);
  /// After the payload, or to forget the frame.
  void next() { known_ = false; }

 private:
  std::uint64_t type_ = 0;
  std::uint64_t left_ = 0;
  std::array<std::uint8_t, 16> partial_{};
  std::uint8_t partial_size_ = 0;
  bool known_ = false;
};

inline constexpr std::size_t max_frame_head = 16;
/// Writes a frame's head to `out` (max_frame_head bytes of room); returns its length.
std::size_t put_frame_head(MutableBytes out, H3Frame type, std::uint64_t length);

}  // namespace sallyport::http
