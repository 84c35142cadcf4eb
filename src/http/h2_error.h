// The error codes of HTTP/2 (RFC 9113 §7) as ResetCode and Error. Used by H2Connection and H2Exchange.
#pragma once

#include "base/result.h"
#include "http/exchange.h"

#include <cstdint>

namespace sallyport::http {

std::uint32_t h2_code(ResetCode code);
/// What a RST_STREAM from the peer means to whoever uses the exchange.
Error h2_stream_error(std::uint32_t code);
/// What a GOAWAY means, from the peer or of our own; `code` is not NO_ERROR.
Error h2_goaway_error(std::uint32_t code, bool from_peer);

}  // namespace sallyport::http
