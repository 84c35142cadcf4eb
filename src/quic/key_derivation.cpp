#include "quic/key_derivation.h"

#include "tls/expand_label.h"

#include <gnutls/gnutls.h>

namespace sallyport::quic {
Aes128PacketKeys::~Aes128PacketKeys() {
  gnutls_memset(key.data(), 0, key.size());
  gnutls_memset(header_key.data(), 0, header_key.size());
}

std::optional<Aes128PacketKeys> Aes128PacketKeys::derive(Bytes secret, bool version_2) {
  Aes128PacketKeys keys;
  if (!tls::expand_label(secret, version_2 ? "quicv2 key" : "quic key", keys.key) ||
      !tls::expand_label(secret, version_2 ? "quicv2 iv" : "quic iv", keys.iv) ||
      !tls::expand_label(secret, version_2 ? "quicv2 hp" : "quic hp", keys.header_key))
    return std::nullopt;
  return keys;
}

}  // namespace sallyport::quic
