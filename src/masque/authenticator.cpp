#include "masque/authenticator.h"

#include "http/connection.h"
#include "masque/bearer.h"

#include <chrono>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <gnutls/gnutls.h>

namespace sallyport::masque {
namespace {

/// The token that a connection's client showed last, and that was good.
struct ShownBefore final : http::ConnectionNote {
  explicit ShownBefore(const CredentialId& shown) : credential(shown) {}
  CredentialId credential;
};

bool is_known_on(const http::Connection& connection, const CredentialId& credential) {
  const auto* note = dynamic_cast<const ShownBefore*>(connection.note());
  return note != nullptr && gnutls_memcmp(note->credential.data(), credential.data(), credential.size()) == 0;
}

/// RFC 6750 §3: no error where no token was shown.
Denial challenge(AskedAs as, bool shown, std::string details) {
  const bool proxy = as == AskedAs::proxy;
  Denial denial{.status = proxy ? 407u : 401u, .details = std::move(details), .fields = {}};
  denial.fields.add(
      proxy ? "proxy-authenticate" : "www-authenticate",
      shown ? R"(Bearer realm="sallyport", error="invalid_token")" : R"(Bearer realm="sallyport")");
  return denial;
}

Denial throttle(Duration wait) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(wait).count();
  Denial denial{
      .status = 429,
      .details = fmt::format("too many failed authentications from this address; try again in {} s", seconds),
      .fields = {}};
  denial.fields.add("retry-after", std::to_string(seconds));
  return denial;
}

/// A digest of a digest, to tell attempts apart.
std::uint64_t digest_of(const CredentialId& credential) {
  std::uint64_t digest = 0;
  std::memcpy(&digest, credential.data(), sizeof digest);
  return digest;
}

}  // namespace

Authenticator::Authenticator(std::shared_ptr<const TokenTable> tokens,
                             std::shared_ptr<FailedAttempts> failures)
    : tokens_(std::move(tokens)), failures_(std::move(failures)) {}

std::expected<Identity, Denial> Authenticator::authenticate(http::Exchange& exchange, AskedAs as, Time now) {
  if (tokens_ == nullptr) return Identity{};
  const BearerOffer offer = offered_bearer(exchange.request().fields, as == AskedAs::proxy);
  if (offer.kind == BearerOffer::Kind::none) {
    ++counters_.no_token;
    return std::unexpected(challenge(as, false, "a bearer token is required"));
  }
  http::Connection& connection = exchange.connection();
  const ClientKey client(connection.info().path.remote.ip());
  const CredentialId credential = TokenTable::credential_of(offer.token);
  const bool known = is_known_on(connection, credential);
  const Duration wait = known ? Duration{} : failures_->wait(client, now);
  if (wait > Duration{}) {
    ++counters_.throttled;
    return std::unexpected(throttle(wait));
  }
  const Identity* identity = offer.kind == BearerOffer::Kind::token ? tokens_->find(credential) : nullptr;
  if (identity == nullptr) {
    if (known) connection.set_note(nullptr);  // it was taken out of the file since
    failures_->add(client, digest_of(credential), now);
    ++counters_.wrong_token;
    return std::unexpected(challenge(as, true, "the bearer token is invalid"));
  }
  if (!known) connection.set_note(std::make_unique<ShownBefore>(credential));
  return *identity;
}

}  // namespace sallyport::masque
