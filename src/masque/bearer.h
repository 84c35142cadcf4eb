// Bearer tokens as requests carry them (RFC 6750 §2.1), and what may be one; for Authenticator and
// TokenTable.
#pragma once

#include "http/fields.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport::masque {

inline constexpr std::size_t max_bearer_token = 2048;  ///< characters

/// b64token of RFC 6750 §2.1, no longer than max_bearer_token.
bool is_bearer_token(std::string_view text);

struct BearerOffer {
  enum class Kind : std::uint8_t {
    none,       ///< no credentials, or of another scheme
    malformed,  ///< meant as a bearer token, and none; or one field several times
    token,
  };
  Kind kind = Kind::none;
  std::string_view token;  ///< into the fields
};

/// What Authorization or Proxy-Authorization offers. A CONNECT-UDP request is to the proxy as an origin (RFC
/// 9298 §3), which Authorization is for; CONNECT is to it as a proxy, which Proxy-Authorization is for (RFC
/// 9110 §11.7.2). Clients differ in which they send with which, so both are looked at: the one of the
/// request's kind first, the other one when that offers nothing. One token a request at the most, so that a
/// request is one guess.
BearerOffer offered_bearer(const http::Fields& fields, bool proxy_field_first);

}  // namespace sallyport::masque
