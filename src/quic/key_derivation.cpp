#include "quic/key_derivation.h"

#include <algorithm>
#include <string_view>

#include <gnutls/crypto.h>

namespace sallyport::quic {
namespace {

/// HKDF-Expand-Label of RFC 8446 §7.1, without a context.
bool expand_label(Bytes secret, std::string_view label, MutableBytes out) {
  constexpr std::string_view prefix = "tls13 ";
  std::array<std::uint8_t, 32> info{};
  std::size_t size = 0;
  info[size++] = static_cast<std::uint8_t>(out.size() >> 8);
  info[size++] = static_cast<std::uint8_t>(out.size());
  info[size++] = static_cast<std::uint8_t>(prefix.size() + label.size());
  for (const std::string_view part : {prefix, label}) {
    std::ranges::copy(part, info.begin() + static_cast<std::ptrdiff_t>(size));
    size += part.size();
  }
  info[size++] = 0;
  const gnutls_datum_t key{const_cast<std::uint8_t*>(secret.data()), static_cast<unsigned>(secret.size())};
  const gnutls_datum_t text{info.data(), static_cast<unsigned>(size)};
  return gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &text, out.data(), out.size()) == 0;
}

}  // namespace

Aes128PacketKeys::~Aes128PacketKeys() {
  gnutls_memset(key.data(), 0, key.size());
  gnutls_memset(header_key.data(), 0, header_key.size());
}

std::optional<Aes128PacketKeys> Aes128PacketKeys::derive(Bytes secret, bool version_2) {
  Aes128PacketKeys keys;
  if (!expand_label(secret, version_2 ? "quicv2 key" : "quic key", keys.key) ||
      !expand_label(secret, version_2 ? "quicv2 iv" : "quic iv", keys.iv) ||
      !expand_label(secret, version_2 ? "quicv2 hp" : "quic hp", keys.header_key))
    return std::nullopt;
  return keys;
}

}  // namespace sallyport::quic
