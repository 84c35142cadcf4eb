// The sentence that tells a client's user why a hop gave no tunnel, from the response's status and its
// Proxy-Status (RFC 9209).
#pragma once

#include "base/result.h"
#include "http/message.h"
#include "masque/uri_template.h"

namespace sallyport::masque {

/// For a response that is not 2xx. The Error's kind says what would help, its code is the status. `request`:
/// the fields that the hop was asked with.
Error refusal_error(const Target& target, const http::Response& response, const http::Fields& request);

}  // namespace sallyport::masque
