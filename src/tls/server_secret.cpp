#include "tls/server_secret.h"

#include "base/file.h"
#include "tls/gnutls_handles.h"

#include <cstdlib>

#include <gnutls/crypto.h>

namespace sallyport::tls {
namespace {

constexpr std::size_t least_secret = 32;
constexpr std::size_t largest_secret = 64 * 1024;

}  // namespace

ServerSecret ServerSecret::random() {
  ServerSecret result;
  // Without a random source nothing that follows could be safe.
  if (gnutls_rnd(GNUTLS_RND_KEY, result.secret_.data(), result.secret_.size()) < 0) std::abort();
  return result;
}

Result<ServerSecret> ServerSecret::from_file(const std::string& path) {
  const auto content = read_file(path, largest_secret);
  if (!content) return std::unexpected(content.error());
  if (content->size() < least_secret) {
    return fail(ErrorKind::file, "the secret in " + path + " has " + std::to_string(content->size()) +
                                     " bytes; it needs at least " + std::to_string(least_secret) +
                                     " (head -c 32 /dev/urandom makes one)");
  }
  ServerSecret result;
  const gnutls_datum_t key = datum_of(*content);
  const gnutls_datum_t salt = datum_of("sallyport server secret");
  if (const int code = gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key, &salt, result.secret_.data()); code < 0) {
    return fail(ErrorKind::resource, "cannot use the secret in " + path + ": " + error_words(code));
  }
  return result;
}

std::array<std::uint8_t, 32> ServerSecret::derive(std::string_view label) const {
  std::array<std::uint8_t, 32> result{};
  const gnutls_datum_t key = datum_of(Bytes(secret_));
  const gnutls_datum_t info = datum_of(label);
  if (gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &info, result.data(), result.size()) < 0) std::abort();
  return result;
}

}  // namespace sallyport::tls
