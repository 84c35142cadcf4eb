// Authenticator: who a request is from, by its bearer token (RFC 6750), and how it is refused when that
// cannot be said. In front of a proxy it is asked before anything is resolved or opened; the admin pages have
// one of their own. One a thread, over tokens and failures that all share. Passwords and client certificates
// are to be looked at here, too, when there are any.
#pragma once

#include "http/exchange.h"
#include "masque/failed_attempts.h"
#include "masque/identity.h"
#include "masque/token_table.h"

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

namespace sallyport::masque {

/// Whom the client asks: an origin server (401, RFC 9110 §11.6.1), as CONNECT-UDP does, or a proxy (407,
/// §11.7.1).
enum class AskedAs : std::uint8_t { origin, proxy };

/// The answer to a request that is not let in.
struct Denial {
  unsigned status = 401;
  std::string details;  ///< a sentence, without a full stop
  http::Fields fields;  ///< the challenge (RFC 6750 §3), or Retry-After
};

struct AuthenticationCounters {
  std::uint64_t no_token = 0;     ///< 401 or 407 to requests without one: how a client finds out
  std::uint64_t wrong_token = 0;  ///< 401 or 407
  std::uint64_t throttled = 0;    ///< 429: too many wrong ones from that client before; not looked at
};

class Authenticator {
 public:
  /// `tokens` null: everybody is let in, as nobody in particular. `failures` not null; it is shared with
  /// others that guard the same tokens.
  Authenticator(std::shared_ptr<const TokenTable> tokens, std::shared_ptr<FailedAttempts> failures);

  /// From the next request on.
  void set_tokens(std::shared_ptr<const TokenTable> tokens) { tokens_ = std::move(tokens); }
  const TokenTable* tokens() const { return tokens_.get(); }

  /// A connection whose client has shown a good token may show that one again, whoever else fails at its
  /// address: that tells a guesser nothing.
  std::expected<Identity, Denial> authenticate(http::Exchange& exchange, AskedAs as, Time now);
  const AuthenticationCounters& counters() const { return counters_; }

 private:
  std::shared_ptr<const TokenTable> tokens_;
  std::shared_ptr<FailedAttempts> failures_;
  AuthenticationCounters counters_;
};

}  // namespace sallyport::masque
