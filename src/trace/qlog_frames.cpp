#include "trace/qlog_frames.h"

#include "base/escape.h"

#include <algorithm>
#include <iterator>

namespace sallyport::trace {
namespace {

constexpr std::string_view frame_names[] = {"padding",
                                            "ping",
                                            "ack",
                                            "reset_stream",
                                            "stop_sending",
                                            "crypto",
                                            "new_token",
                                            "stream",
                                            "max_data",
                                            "max_stream_data",
                                            "max_streams",
                                            "data_blocked",
                                            "stream_data_blocked",
                                            "streams_blocked",
                                            "new_connection_id",
                                            "retire_connection_id",
                                            "path_challenge",
                                            "path_response",
                                            "connection_close",
                                            "handshake_done",
                                            "datagram",
                                            "unknown"};
static_assert(std::size(frame_names) == static_cast<std::size_t>(FrameKind::unknown) + 1);

// RFC 9000 §20.1
constexpr std::string_view transport_errors[] = {"no_error",
                                                 "internal_error",
                                                 "connection_refused",
                                                 "flow_control_error",
                                                 "stream_limit_error",
                                                 "stream_state_error",
                                                 "final_size_error",
                                                 "frame_encoding_error",
                                                 "transport_parameter_error",
                                                 "connection_id_limit_error",
                                                 "protocol_violation",
                                                 "invalid_token",
                                                 "application_error",
                                                 "crypto_buffer_exceeded",
                                                 "key_update_error",
                                                 "aead_limit_reached",
                                                 "no_viable_path"};

// RFC 9114 §8.1, from 0x100 on
constexpr std::string_view http_errors[] = {"http_no_error",
                                            "http_general_protocol_error",
                                            "http_internal_error",
                                            "http_stream_creation_error",
                                            "http_closed_critical_stream",
                                            "http_frame_unexpected",
                                            "http_frame_error",
                                            "http_excessive_load",
                                            "http_id_error",
                                            "http_settings_error",
                                            "http_missing_settings",
                                            "http_request_rejected",
                                            "http_request_cancelled",
                                            "http_request_incomplete",
                                            "unknown",  // H3_MESSAGE_ERROR has no name in the drafts
                                            "http_connect_error",
                                            "http_version_fallback"};
constexpr std::uint64_t first_http_error = 0x100;

Duration ack_delay_of(const QuicFrame& ack, std::uint8_t exponent) {
  constexpr std::uint64_t most = std::uint64_t{1}
                                 << 40;  // microseconds; more than days is nonsense, and would overflow
  const std::uint64_t delay = ack.ack_delay > most >> exponent ? most : ack.ack_delay << exponent;
  return std::chrono::microseconds(delay);
}

void write_acked_ranges(JsonText& json, const QuicFrame& ack) {
  json.array("acked_ranges");
  for_each_acked(ack, [&](std::uint64_t low, std::uint64_t high) {
    json.begin_array();
    json.number(low);
    if (high != low) json.number(high);
    json.end_array();
  });
  json.end_array();
}

/// Both the older field "length" (of the data), which qvis reads, and the current "raw".
void write_lengths(JsonText& json, const QuicFrame& frame) {
  json.number("length", frame.length);
  json.object("raw");
  json.number("length", frame.size);
  json.number("payload_length", frame.length);
  json.end_object();
}

void write_stream_type(JsonText& json, const QuicFrame& frame) {
  json.text("stream_type", frame.bidirectional ? "bidirectional" : "unidirectional");
}

void write_close(JsonText& json, const QuicFrame& frame) {
  json.text("error_space", frame.application ? "application" : "transport");
  write_error(json, "error", frame.application, frame.error_code);
  const std::string_view reason = as_text(frame.data);
  if (is_utf8(reason))
    json.text("reason", reason);
  else
    json.hex("reason_bytes", frame.data);
  if (!frame.application && frame.trigger != 0) json.number("trigger_frame_type", frame.trigger);
}

}  // namespace

std::string_view packet_type_name(PacketType type) {
  switch (type) {
    case PacketType::initial:
      return "initial";
    case PacketType::zero_rtt:
      return "0RTT";
    case PacketType::handshake:
      return "handshake";
    case PacketType::one_rtt:
      return "1RTT";
    case PacketType::retry:
      return "retry";
    case PacketType::version_negotiation:
      return "version_negotiation";
    case PacketType::stateless_reset:
      return "stateless_reset";
  }
  return "unknown";
}

bool is_ack_eliciting(FrameKind kind) {
  return kind != FrameKind::ack && kind != FrameKind::padding && kind != FrameKind::connection_close;
}

void write_error(JsonText& json, std::string_view name, bool application, std::uint64_t code) {
  if (application && code >= first_http_error && code - first_http_error < std::size(http_errors)) {
    json.text(name, http_errors[code - first_http_error]);
  } else if (!application && code < std::size(transport_errors)) {
    json.text(name, transport_errors[code]);
  } else if (!application && code >= 0x100 && code < 0x200) {  // a TLS alert, RFC 9001 §4.8
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text = "crypto_error_0x1";
    text.push_back(digits[code >> 4 & 0xf]);
    text.push_back(digits[code & 0xf]);
    json.text(name, text);
  } else {
    json.text(name, "unknown");
  }
  json.number("error_code", code);
}

void write_frame(JsonText& json, const QuicFrame& frame, std::uint8_t ack_delay_exponent) {
  json.begin_object();
  json.text("frame_type", frame_names[static_cast<std::size_t>(frame.kind)]);
  using enum FrameKind;
  switch (frame.kind) {
    case padding:
      json.number("length", frame.size);
      json.object("raw");
      json.number("length", frame.size);
      json.number("payload_length", frame.size);
      json.end_object();
      break;
    case ping:
    case handshake_done:
      break;
    case ack:
      json.milliseconds("ack_delay", ack_delay_of(frame, ack_delay_exponent));
      write_acked_ranges(json, frame);
      if (frame.has_ecn) {
        json.number("ect1", frame.ect1);
        json.number("ect0", frame.ect0);
        json.number("ce", frame.ce);
      }
      break;
    case reset_stream:
    case stop_sending:
      json.number("stream_id", frame.stream_id);
      write_error(json, "error", true, frame.error_code);
      if (frame.kind == reset_stream) json.number("final_size", frame.final_size);
      break;
    case crypto:
      json.number("offset", frame.offset);
      write_lengths(json, frame);
      break;
    case new_token:
      // A reader of the file could use the token to skip address validation, so only its length is written.
      json.object("token");
      json.text("type", "resumption");
      json.object("raw");
      json.number("length", frame.length);
      json.end_object();
      json.end_object();
      break;
    case stream:
      json.number("stream_id", frame.stream_id);
      json.number("offset", frame.offset);
      if (frame.fin) json.boolean("fin", true);
      write_lengths(json, frame);
      break;
    case max_data:
      json.number("maximum", frame.limit);
      break;
    case max_stream_data:
      json.number("stream_id", frame.stream_id);
      json.number("maximum", frame.limit);
      break;
    case max_streams:
      write_stream_type(json, frame);
      json.number("maximum", frame.limit);
      break;
    case data_blocked:
      json.number("limit", frame.limit);
      break;
    case stream_data_blocked:
      json.number("stream_id", frame.stream_id);
      json.number("limit", frame.limit);
      break;
    case streams_blocked:
      write_stream_type(json, frame);
      json.number("limit", frame.limit);
      break;
    case new_connection_id:
      json.number("sequence_number", frame.sequence);
      json.number("retire_prior_to", frame.retire_prior_to);
      json.number("connection_id_length", frame.data.size());
      json.hex("connection_id", frame.data);
      // A reader of the file could use the token to reset the connection, so it is not written.
      break;
    case retire_connection_id:
      json.number("sequence_number", frame.sequence);
      break;
    case path_challenge:
    case path_response:
      json.hex("data", frame.data);
      break;
    case connection_close:
      write_close(json, frame);
      break;
    case datagram:
      write_lengths(json, frame);
      break;
    case unknown:
      json.number("frame_type_bytes", frame.type);
      json.object("raw");
      json.number("length", frame.size);
      json.end_object();
      break;
  }
  json.end_object();
}

}  // namespace sallyport::trace
