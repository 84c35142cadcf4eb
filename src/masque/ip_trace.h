// What a CONNECT-IP tunnel's connection records of its address and route capsules (RFC 9484 §4.7), beside
// their type and length: what they say. The same on a proxy's and on a client's side. qlog has no event of
// its own for that, so it is a message (draft-ietf-quic-qlog-main-schema, loglevel:info).
#pragma once

#include "base/bytes.h"
#include "http/exchange.h"
#include "trace/recorder.h"

#include <cstdint>
#include <string>

namespace sallyport::masque {

/// Of capsules of other types nothing is recorded here, and nothing at all where the connection of `exchange`
/// has no recorder, as over TCP.
void trace_ip_capsule(const http::Exchange& exchange, trace::Direction direction, std::uint64_t type,
                      Bytes value);

/// "ADDRESS_ASSIGN 10.89.0.2/32 fd89::2/128 (request 1)"; empty for other types. A capsule that cannot be
/// read has its error in place of its content. For trace_ip_capsule() and its test.
std::string describe_ip_capsule(std::uint64_t type, Bytes value);

}  // namespace sallyport::masque
