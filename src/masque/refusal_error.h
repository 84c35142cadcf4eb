// The sentences that tell a client's user why a hop gave no tunnel, from the response's status and its
// Proxy-Status (RFC 9209), or why it ended one.
#pragma once

#include "base/result.h"
#include "http/h3_error.h"
#include "http/message.h"

#include <cstdint>
#include <string_view>

namespace sallyport::masque {

// `target`: where the tunnel was to lead, in words.

/// For a response that is not 2xx. The Error's kind says what would help, its code is the status. `request`:
/// the fields that the hop was asked with. It is `denied` where every sort of tunnel would be: the hop's
/// policy forbids the target (destination_ip_prohibited), or the token will not do (401, 407). Another 403
/// may be of this sort alone.
Error refusal_error(std::string_view target, const http::Response& response, const http::Fields& request);

/// The code of a tunnel_end_error() that says that the hop lost the target: H3_CONNECT_ERROR, also where it
/// was HTTP/2's CONNECT_ERROR.
inline constexpr auto target_lost = static_cast<std::uint64_t>(http::H3Code::connect_error);

/// For a tunnel whose stream ended because of `why`, over a connection of this version.
Error tunnel_end_error(std::string_view target, http::Version version, const Error& why);

}  // namespace sallyport::masque
