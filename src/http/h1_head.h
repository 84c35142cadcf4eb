// Writes the heads of HTTP/1.1 messages (RFC 9112 §2.1): start line and fields. Used by H1Server and
// H1Client.
#pragma once

#include "http/message.h"

#include <string>
#include <string_view>

namespace sallyport::http {

/// "HTTP/1.1 200 OK" and its line's end. HTTP/1.1 is what we speak, also to a peer of HTTP/1.0 (RFC 9112
/// §2.5).
void put_status_line(std::string& out, unsigned status);
/// One field. One that would break the message's framing (line breaks, an invalid name) is left out.
void put_field(std::string& out, std::string_view name, std::string_view value);
/// All fields but those that speak of the connection: these are the connection's own to say.
void put_fields(std::string& out, const Fields& fields);
/// The line that ends a head.
inline void put_end(std::string& out) {
  out += "\r\n";
}

/// The request line: authority form for CONNECT, GET and origin form for an extended CONNECT, else origin
/// form. False, and nothing written, when a part of it has a character that cannot be there.
bool put_request_line(std::string& out, const Request& request);

/// Whether a response of this status, to this method, has no body by its nature (RFC 9112 §6.3).
bool is_bodiless(unsigned status, std::string_view method);

}  // namespace sallyport::http
