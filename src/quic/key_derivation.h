// Packet protection keys derived from a traffic secret (RFC 9001 §5.1). For packet_protection.cpp.
#pragma once

#include "base/bytes.h"
#include "tls/fast_aes.h"

#include <array>
#include <cstdint>
#include <optional>

namespace sallyport::quic {

using tls::aes_128_key_size;
using tls::aes_gcm_nonce_size;

/// Of a cipher suite with AES-128-GCM and SHA-256. Wiped when it is destroyed.
struct Aes128PacketKeys {
  std::array<std::uint8_t, aes_128_key_size> key, header_key;
  std::array<std::uint8_t, aes_gcm_nonce_size> iv;

  Aes128PacketKeys() = default;
  Aes128PacketKeys(const Aes128PacketKeys&) = default;
  Aes128PacketKeys& operator=(const Aes128PacketKeys&) = default;
  ~Aes128PacketKeys();

  /// With the labels of QUIC version 2 (RFC 9369 §3.3.2) or of version 1. Empty when GnuTLS fails.
  static std::optional<Aes128PacketKeys> derive(Bytes secret, bool version_2);
};

}  // namespace sallyport::quic
