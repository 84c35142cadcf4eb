// The transport parameters extension of TLS (RFC 9000 §18) turned into the fields of qlog's parameters_set.
// The input is the peer's and may be malformed or huge (docs/threat-model.md, "oversized transport
// parameters"): the output is bounded.
#pragma once

#include "base/bytes.h"
#include "trace/json_text.h"

namespace sallyport::trace {

/// At most this much of the extension is decoded; a recorder need not keep more.
inline constexpr std::size_t max_logged_transport_parameters = 2048;

/// The fields of the parameters in `encoded`, truncated if `full_size` > encoded.size(). `json` is inside an
/// object.
void write_transport_parameters(JsonText& json, Bytes encoded, std::size_t full_size);

/// ack_delay_exponent (RFC 9000 §18.2) as given in `encoded`, or its default 3; 20 at most.
std::uint8_t ack_delay_exponent_of(Bytes encoded);

}  // namespace sallyport::trace
