// What of a message's head is passed on: a request to a backend, and its response to the client. Fields of
// one connection (RFC 9110 §7.6.1) are left out by http; here it is those by which a gateway speaks, and
// those that nobody but a gateway may say: X-Forwarded-*, Forwarded and X-Request-ID of a client that is not
// trusted (docs/threat-model.md, "forwarded fields").
#pragma once

#include "base/random.h"
#include "http/exchange.h"

namespace sallyport::ingress {

/// `client`: its exchange. `scheme`: of the backend. The result keeps method, authority, path, protocol and
/// priority.
http::Request request_for_backend(const http::Exchange& client, std::string_view scheme, Random& random);

/// An interim or final response of a backend.
http::Response response_for_client(const http::Response& backend);

}  // namespace sallyport::ingress
