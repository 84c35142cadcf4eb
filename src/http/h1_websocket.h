// What WebSocket over HTTP/1.1 asks for beyond its Upgrade: a key, and the proof that it was understood (RFC
// 6455 §4). Extended CONNECT has neither (RFC 8441 §5), so H1Server and H1Client do this between themselves
// and the peer, and handlers see one thing in all versions.
#pragma once

#include "http/fields.h"

#include <string>
#include <string_view>

namespace sallyport::http {

/// The version of the protocol that there is.
inline constexpr std::string_view websocket_version = "13";

/// A key for a request: 16 random bytes in base64.
std::string make_websocket_key();
/// Whether `fields` have one key, of the length that a key has.
bool has_websocket_key(const Fields& fields);
/// Sec-WebSocket-Accept for the request's key.
std::string websocket_accept(std::string_view key);

}  // namespace sallyport::http
