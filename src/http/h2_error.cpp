#include "http/h2_error.h"

#include <string>

#include <nghttp2/nghttp2.h>

namespace sallyport::http {

std::uint32_t h2_code(ResetCode code) {
  switch (code) {
    case ResetCode::no_error:
      return NGHTTP2_NO_ERROR;
    case ResetCode::cancelled:
      return NGHTTP2_CANCEL;
    case ResetCode::refused:
      return NGHTTP2_REFUSED_STREAM;
    case ResetCode::internal_error:
      return NGHTTP2_INTERNAL_ERROR;
    case ResetCode::connect_error:
      return NGHTTP2_CONNECT_ERROR;
    case ResetCode::excessive_load:
      return NGHTTP2_ENHANCE_YOUR_CALM;
    // RFC 9297 gives H3_DATAGRAM_ERROR no counterpart here: its §3.3 makes such a message malformed.
    case ResetCode::message_error:
    case ResetCode::datagram_error:
      break;
  }
  return NGHTTP2_PROTOCOL_ERROR;
}

Error h2_stream_error(std::uint32_t code) {
  const auto because = [code](ErrorKind kind, std::string_view what) {
    return Error{kind, std::string(what) + " (" + nghttp2_http2_strerror(code) + ")", code};
  };
  switch (code) {
    case NGHTTP2_REFUSED_STREAM:
      return because(ErrorKind::refused, "the peer refused the stream before processing it");
    case NGHTTP2_NO_ERROR:
    case NGHTTP2_CANCEL:
      return because(ErrorKind::closed, "the peer cancelled the request");
    case NGHTTP2_CONNECT_ERROR:
      return because(ErrorKind::closed, "the connection behind the tunnel was reset");
    case NGHTTP2_ENHANCE_YOUR_CALM:
      return because(ErrorKind::resource, "the peer reports excessive load");
    case NGHTTP2_INTERNAL_ERROR:
      return because(ErrorKind::closed, "the peer had an internal error");
    default:
      return because(ErrorKind::protocol, "the peer reset the request");
  }
}

Error h2_goaway_error(std::uint32_t code, bool from_peer) {
  const std::string_view what =
      from_peer ? "the peer closed the HTTP/2 connection" : "the peer violated the HTTP/2 protocol";
  return {code == NGHTTP2_ENHANCE_YOUR_CALM ? ErrorKind::resource : ErrorKind::protocol,
          std::string(what) + " (" + nghttp2_http2_strerror(code) + ")", code};
}

}  // namespace sallyport::http
