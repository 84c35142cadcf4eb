#include "http/h3_error.h"

#include <fmt/format.h>

namespace sallyport::http {

H3Code to_h3(ResetCode code) {
  switch (code) {
    case ResetCode::no_error:
      return H3Code::no_error;
    case ResetCode::cancelled:
      return H3Code::request_cancelled;
    case ResetCode::refused:
      return H3Code::request_rejected;
    case ResetCode::internal_error:
      return H3Code::internal_error;
    case ResetCode::message_error:
      return H3Code::message_error;
    case ResetCode::connect_error:
      return H3Code::connect_error;
    case ResetCode::excessive_load:
      return H3Code::excessive_load;
    case ResetCode::datagram_error:
      return H3Code::datagram_error;
  }
  return H3Code::internal_error;
}

std::string name_of_h3(std::uint64_t code) {
  switch (static_cast<H3Code>(code)) {
    case H3Code::datagram_error:
      return "H3_DATAGRAM_ERROR";
    case H3Code::no_error:
      return "H3_NO_ERROR";
    case H3Code::general_protocol_error:
      return "H3_GENERAL_PROTOCOL_ERROR";
    case H3Code::internal_error:
      return "H3_INTERNAL_ERROR";
    case H3Code::stream_creation_error:
      return "H3_STREAM_CREATION_ERROR";
    case H3Code::closed_critical_stream:
      return "H3_CLOSED_CRITICAL_STREAM";
    case H3Code::frame_unexpected:
      return "H3_FRAME_UNEXPECTED";
    case H3Code::frame_error:
      return "H3_FRAME_ERROR";
    case H3Code::excessive_load:
      return "H3_EXCESSIVE_LOAD";
    case H3Code::id_error:
      return "H3_ID_ERROR";
    case H3Code::settings_error:
      return "H3_SETTINGS_ERROR";
    case H3Code::missing_settings:
      return "H3_MISSING_SETTINGS";
    case H3Code::request_rejected:
      return "H3_REQUEST_REJECTED";
    case H3Code::request_cancelled:
      return "H3_REQUEST_CANCELLED";
    case H3Code::request_incomplete:
      return "H3_REQUEST_INCOMPLETE";
    case H3Code::message_error:
      return "H3_MESSAGE_ERROR";
    case H3Code::connect_error:
      return "H3_CONNECT_ERROR";
    case H3Code::version_fallback:
      return "H3_VERSION_FALLBACK";
    case H3Code::qpack_decompression_failed:
      return "QPACK_DECOMPRESSION_FAILED";
    case H3Code::qpack_encoder_stream_error:
      return "QPACK_ENCODER_STREAM_ERROR";
    case H3Code::qpack_decoder_stream_error:
      return "QPACK_DECODER_STREAM_ERROR";
  }
  return fmt::format("error {:#x}", code);
}

Error h3_stream_error(std::string_view what, std::uint64_t code) {
  const bool refused = code == static_cast<std::uint64_t>(H3Code::request_rejected);
  return {refused ? ErrorKind::refused : ErrorKind::closed, fmt::format("{} ({})", what, name_of_h3(code)),
          code};
}

std::unexpected<Error> h3_failure(H3Code code, std::string message) {
  return fail(ErrorKind::protocol, std::move(message), static_cast<std::uint64_t>(code));
}

}  // namespace sallyport::http
