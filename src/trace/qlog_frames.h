// QUIC frames and error codes in qlog's names (draft-ietf-quic-qlog-quic-events).
#pragma once

#include "trace/json_text.h"
#include "trace/quic_frames.h"
#include "trace/recorder.h"

#include <cstdint>
#include <string_view>

namespace sallyport::trace {

/// One object of a packet's "frames". `ack_delay_exponent`: as announced by the frame's sender.
void write_frame(JsonText& json, const QuicFrame& frame, std::uint8_t ack_delay_exponent);

/// The field `name` with qlog's name of an error code ("unknown" without one), and error_code with the
/// number.
void write_error(JsonText& json, std::string_view name, bool application, std::uint64_t code);

/// "1RTT", "initial" ...
std::string_view packet_type_name(PacketType type);

/// Whether a packet with this frame must be acknowledged (RFC 9002 §2).
bool is_ack_eliciting(FrameKind kind);

}  // namespace sallyport::trace
