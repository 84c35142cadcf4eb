// What a client is told where its request got no response from a backend: status and Proxy-Status error type
// (RFC 9209 §2.3), and nothing of the network behind the gateway. The log has the rest.
#pragma once

#include "base/result.h"
#include "masque/proxy_status.h"

namespace sallyport::ingress {

/// `sent`: the request was sent, so that the connection was established.
masque::Refusal refusal_for_backend(const Error& why, bool sent);

}  // namespace sallyport::ingress
