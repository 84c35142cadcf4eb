// HTTP/3's error codes (RFC 9114 §8.1, RFC 9204 §6, RFC 9297 §5.2), and how they stand to ours.
#pragma once

#include "base/result.h"
#include "http/exchange.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::http {

enum class H3Code : std::uint64_t {
  datagram_error = 0x33,
  no_error = 0x100,
  general_protocol_error = 0x101,
  internal_error = 0x102,
  stream_creation_error = 0x103,
  closed_critical_stream = 0x104,
  frame_unexpected = 0x105,
  frame_error = 0x106,
  excessive_load = 0x107,
  id_error = 0x108,
  settings_error = 0x109,
  missing_settings = 0x10a,
  request_rejected = 0x10b,
  request_cancelled = 0x10c,
  request_incomplete = 0x10d,
  message_error = 0x10e,
  connect_error = 0x10f,
  version_fallback = 0x110,
  qpack_decompression_failed = 0x200,
  qpack_encoder_stream_error = 0x201,
  qpack_decoder_stream_error = 0x202,
};

H3Code to_h3(ResetCode code);
/// "H3_REQUEST_CANCELLED", or "error 0x1234".
std::string name_of_h3(std::uint64_t code);
/// A peer's stream error as a sentence: `what` ("the peer reset the stream") and the code's name.
/// Request_rejected is kind refused.
Error h3_stream_error(std::string_view what, std::uint64_t code);
/// What ends the connection.
std::unexpected<Error> h3_failure(H3Code code, std::string message);

}  // namespace sallyport::http
