// PacketForge: hand-made QUIC packets (version 1, AES-128-GCM) with any frames in them, for tests of what a
// hostile peer may send.
#pragma once

#include "base/bytes.h"
#include "base/varint.h"
#include "trace/keylog.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

namespace sallyport::quic::test {

using Octets = std::vector<std::uint8_t>;

inline void append(Octets& to, Bytes bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}
inline void append_varint(Octets& to, std::uint64_t value) {
  std::array<std::uint8_t, 8> bytes;
  append(to, Bytes(bytes).first(put_varint(bytes, value)));
}
/// A frame of a type and varint fields.
inline Octets frame(std::initializer_list<std::uint64_t> fields) {
  Octets out;
  for (const std::uint64_t field : fields) append_varint(out, field);
  return out;
}

class PacketForge {
 public:
  /// A client's Initial keys, which follow from the Destination Connection ID it invents (RFC 9001 §5.2).
  static PacketForge initial(Bytes destination_id) {
    static constexpr std::array<std::uint8_t, 20> salt{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34,
                                                       0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
                                                       0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
    std::array<std::uint8_t, 32> extracted;
    const gnutls_datum_t key{const_cast<std::uint8_t*>(destination_id.data()),
                             static_cast<unsigned>(destination_id.size())};
    const gnutls_datum_t salt_datum{const_cast<std::uint8_t*>(salt.data()), salt.size()};
    gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key, &salt_datum, extracted.data());
    return PacketForge(expand(extracted, "client in", 32));
  }
  /// 1-RTT keys from a traffic secret.
  explicit PacketForge(Octets secret)
      : key_(expand(secret, "quic key", 16)),
        iv_(expand(secret, "quic iv", 12)),
        hp_(expand(secret, "quic hp", 16)) {}

  /// One Initial packet, padded to `size`.
  Octets initial_packet(Bytes destination_id, Bytes source_id, Bytes token, std::uint32_t number,
                        Octets frames, std::size_t size = 1200) const {
    Octets header{0xc3, 0, 0, 0, 1, static_cast<std::uint8_t>(destination_id.size())};
    append(header, destination_id);
    header.push_back(static_cast<std::uint8_t>(source_id.size()));
    append(header, source_id);
    append_varint(header, token.size());
    append(header, token);
    const std::size_t before_frames = header.size() + 2 + 4;
    if (before_frames + frames.size() + 16 < size) frames.resize(size - before_frames - 16);
    const std::size_t length = 4 + frames.size() + 16;
    header.push_back(static_cast<std::uint8_t>(0x40 | length >> 8));
    header.push_back(static_cast<std::uint8_t>(length));
    return seal(std::move(header), number, frames);
  }
  Octets short_packet(Bytes destination_id, std::uint32_t number, const Octets& frames) const {
    Octets header{0x43};
    append(header, destination_id);
    return seal(std::move(header), number, frames);
  }

 private:
  /// HKDF-Expand-Label (RFC 8446 §7.1).
  static Octets expand(Bytes secret, std::string_view label, std::size_t size) {
    Octets info{0, static_cast<std::uint8_t>(size), static_cast<std::uint8_t>(6 + label.size())};
    append(info, as_bytes("tls13 "));
    append(info, as_bytes(label));
    info.push_back(0);
    Octets out(size);
    const gnutls_datum_t key{const_cast<std::uint8_t*>(secret.data()), static_cast<unsigned>(secret.size())};
    const gnutls_datum_t info_datum{info.data(), static_cast<unsigned>(info.size())};
    gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &info_datum, out.data(), size);
    return out;
  }

  Octets seal(Octets header, std::uint32_t number, const Octets& frames) const {
    const std::size_t number_at = header.size();
    for (int shift = 24; shift >= 0; shift -= 8) header.push_back(static_cast<std::uint8_t>(number >> shift));
    Octets nonce = iv_;
    for (std::size_t i = 0; i < 4; ++i) nonce[8 + i] ^= header[number_at + i];
    Octets packet = header;
    packet.resize(header.size() + frames.size() + 16);
    gnutls_aead_cipher_hd_t aead;
    const gnutls_datum_t key{const_cast<std::uint8_t*>(key_.data()), static_cast<unsigned>(key_.size())};
    gnutls_aead_cipher_init(&aead, GNUTLS_CIPHER_AES_128_GCM, &key);
    std::size_t sealed = frames.size() + 16;
    gnutls_aead_cipher_encrypt(aead, nonce.data(), nonce.size(), header.data(), header.size(), 16,
                               frames.data(), frames.size(), packet.data() + header.size(), &sealed);
    gnutls_aead_cipher_deinit(aead);
    // Header protection (RFC 9001 §5.4): one AES block, by CBC with an IV of zeroes.
    std::array<std::uint8_t, 16> mask, zero{};
    gnutls_cipher_hd_t block;
    const gnutls_datum_t hp{const_cast<std::uint8_t*>(hp_.data()), static_cast<unsigned>(hp_.size())};
    gnutls_datum_t iv{zero.data(), zero.size()};
    gnutls_cipher_init(&block, GNUTLS_CIPHER_AES_128_CBC, &hp, &iv);
    gnutls_cipher_encrypt2(block, packet.data() + number_at + 4, 16, mask.data(), mask.size());
    gnutls_cipher_deinit(block);
    packet[0] ^= mask[0] & ((packet[0] & 0x80) != 0 ? 0x0f : 0x1f);
    for (std::size_t i = 0; i < 4; ++i) packet[number_at + i] ^= mask[1 + i];
    return packet;
  }

  Octets key_, iv_, hp_;
};

/// Keeps the secrets of the connections of a test.
class SecretCatcher final : public trace::KeyLog {
 public:
  void write(std::string_view line) override { lines.emplace_back(line); }
  /// The newest secret with this label.
  Octets secret(std::string_view label) const {
    for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
      if (!line->starts_with(label) || (*line)[label.size()] != ' ') continue;
      const std::string hex = line->substr(line->rfind(' ') + 1);
      Octets out;
      for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        out.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
      return out;
    }
    return {};
  }
  std::vector<std::string> lines;
};

}  // namespace sallyport::quic::test
