#include "tls/traffic_keys.h"

#include "tls/expand_label.h"

#include <utility>

#include <gnutls/gnutls.h>

namespace sallyport::tls {

std::optional<TrafficKeys> TrafficKeys::make(const TrafficSecret& secret, std::uint64_t sequence) {
  TrafficKeys keys;
  keys.secret_ = secret;
  keys.sequence_ = sequence;
  if (!keys.derive()) return std::nullopt;
  return keys;
}

TrafficKeys::~TrafficKeys() {
  gnutls_memset(secret_.data(), 0, secret_.size());
}

bool TrafficKeys::derive() {
  std::array<std::uint8_t, aes_128_key_size> key{};
  if (!expand_label(secret_, "key", key) || !expand_label(secret_, "iv", iv_)) return false;
  aead_ = std::make_unique<const FastAesGcm>(key);
  gnutls_memset(key.data(), 0, key.size());
  return true;
}

bool TrafficKeys::update() {
  TrafficSecret next{};
  if (!expand_label(secret_, "traffic upd", next)) return false;
  secret_ = next;
  gnutls_memset(next.data(), 0, next.size());
  sequence_ = 0;
  return derive();
}

std::array<std::uint8_t, aes_gcm_nonce_size> TrafficKeys::next_nonce() {
  std::array<std::uint8_t, aes_gcm_nonce_size> nonce = iv_;
  const std::uint64_t number = sequence_++;
  for (std::size_t i = 0; i < sizeof number; ++i)
    nonce[nonce.size() - 1 - i] ^= static_cast<std::uint8_t>(number >> (8 * i));
  return nonce;
}

}  // namespace sallyport::tls
