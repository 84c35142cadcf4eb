// PacketForge: hand-made QUIC packets (versions 1 and 2, AES-128-GCM) with any frames, for tests of hostile
// peers; and the decryption of the answers.
#pragma once

#include "base/bytes.h"
#include "base/varint.h"
#include "quic/config.h"
#include "quic/packet_number.h"
#include "trace/keylog.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
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

/// Types of long-header packets, by the numbers of version 1 (RFC 9000 §17.2).
enum class LongType : std::uint8_t { initial = 0, zero_rtt = 1, handshake = 2, retry = 3 };

/// The first octet of a long-header packet with a packet number of four bytes. Version 2 counts the types
/// from Retry on (RFC 9369 §3.2).
inline std::uint8_t long_header_octet(LongType type, std::uint32_t version) {
  const auto number = static_cast<unsigned>(type);
  return static_cast<std::uint8_t>(0xc3 | (version == version_2 ? (number + 1) % 4 : number) << 4);
}
inline LongType long_type_of(std::uint8_t first, std::uint32_t version) {
  const unsigned bits = first >> 4 & 3u;
  return static_cast<LongType>(version == version_2 ? (bits + 3) % 4 : bits);
}

/// The keys of one direction at one encryption level.
class PacketForge {
 public:
  /// A client's Initial keys, or a server's, derived from the client's first Destination Connection ID (RFC
  /// 9001 §5.2, RFC 9369 §3.3.1).
  static PacketForge initial(Bytes destination_id, std::uint32_t version = version_1, bool of_client = true) {
    static constexpr std::array<std::uint8_t, 20> salt_1{0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34,
                                                         0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8,
                                                         0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a};
    static constexpr std::array<std::uint8_t, 20> salt_2{0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6,
                                                         0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26,
                                                         0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9};
    const auto& salt = version == version_2 ? salt_2 : salt_1;
    std::array<std::uint8_t, 32> extracted;
    const gnutls_datum_t key{const_cast<std::uint8_t*>(destination_id.data()),
                             static_cast<unsigned>(destination_id.size())};
    const gnutls_datum_t salt_datum{const_cast<std::uint8_t*>(salt.data()),
                                    static_cast<unsigned>(salt.size())};
    gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key, &salt_datum, extracted.data());
    return PacketForge(expand(extracted, of_client ? "client in" : "server in", 32), version);
  }
  /// Keys from a traffic secret.
  explicit PacketForge(const Octets& secret, std::uint32_t version = version_1)
      : version_(version),
        secret_(secret),
        key_(expand(secret, version == version_2 ? "quicv2 key" : "quic key", 16)),
        iv_(expand(secret, version == version_2 ? "quicv2 iv" : "quic iv", 12)),
        hp_(expand(secret, version == version_2 ? "quicv2 hp" : "quic hp", 16)) {}

  /// One Initial packet, padded to `size`.
  Octets initial_packet(Bytes destination_id, Bytes source_id, Bytes token, std::uint32_t number,
                        Octets frames, std::size_t size = 1200) const {
    return long_packet(LongType::initial, destination_id, source_id, token, number, std::move(frames), size);
  }
  /// An Initial, 0-RTT or Handshake packet, padded to `size`; only an Initial has a token.
  Octets long_packet(LongType type, Bytes destination_id, Bytes source_id, Bytes token, std::uint32_t number,
                     Octets frames, std::size_t size = 0) const {
    Octets header{long_header_octet(type, version_)};
    for (int shift = 24; shift >= 0; shift -= 8)
      header.push_back(static_cast<std::uint8_t>(version_ >> shift));
    header.push_back(static_cast<std::uint8_t>(destination_id.size()));
    append(header, destination_id);
    header.push_back(static_cast<std::uint8_t>(source_id.size()));
    append(header, source_id);
    if (type == LongType::initial) {
      append_varint(header, token.size());
      append(header, token);
    }
    const std::size_t before_frames = header.size() + 2 + 4;
    if (before_frames + frames.size() + 16 < size) frames.resize(size - before_frames - 16);
    const std::size_t length = 4 + frames.size() + 16;
    header.push_back(static_cast<std::uint8_t>(0x40 | length >> 8));
    header.push_back(static_cast<std::uint8_t>(length));
    return seal(std::move(header), number, frames);
  }
  /// `key_phase`: RFC 9001 §6.
  Octets short_packet(Bytes destination_id, std::uint32_t number, const Octets& frames,
                      bool key_phase = false) const {
    Octets header{static_cast<std::uint8_t>(key_phase ? 0x47 : 0x43)};
    append(header, destination_id);
    return seal(std::move(header), number, frames);
  }

  /// The frames of `packet`, whose packet number is at `number_at`; nullopt when it is not authentic.
  /// `expected`: one more than the largest packet number seen.
  std::optional<Octets> open(Bytes packet, std::size_t number_at, std::uint64_t& expected) const {
    if (packet.size() < number_at + 20) return std::nullopt;
    Octets header(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(number_at + 4));
    const auto mask = header_mask(packet.subspan(number_at + 4, 16));
    header[0] ^= mask[0] & ((header[0] & 0x80) != 0 ? 0x0f : 0x1f);
    const std::size_t number_size = 1 + (header[0] & 3u);
    header.resize(number_at + number_size);
    for (std::size_t i = 0; i < number_size; ++i) header[number_at + i] ^= mask[1 + i];
    const std::uint64_t number =
        restore_packet_number(expected, truncated_packet_number(header, number_size), number_size);
    const Bytes sealed = packet.subspan(header.size());
    if (sealed.size() < 16) return std::nullopt;
    Octets frames(sealed.size() - 16);
    std::size_t size = frames.size();
    const Octets nonce = nonce_of(number);
    const auto aead = new_aead();
    if (gnutls_aead_cipher_decrypt(aead.get(), nonce.data(), nonce.size(), header.data(), header.size(), 16,
                                   sealed.data(), sealed.size(), frames.data(), &size) != 0)
      return std::nullopt;
    expected = std::max(expected, number + 1);
    return frames;
  }

  /// The keys after a key update (RFC 9001 §6.1); header protection stays.
  PacketForge updated() const {
    const bool v2 = version_ == version_2;
    PacketForge next(expand(secret_, v2 ? "quicv2 ku" : "quic ku", 32), version_);
    next.hp_ = hp_;
    return next;
  }

  /// HKDF-Expand-Label (RFC 8446 §7.1).
  static Octets expand(Bytes secret, std::string_view label, std::size_t size, Bytes context = {}) {
    Octets info{0, static_cast<std::uint8_t>(size), static_cast<std::uint8_t>(6 + label.size())};
    append(info, as_bytes("tls13 "));
    append(info, as_bytes(label));
    info.push_back(static_cast<std::uint8_t>(context.size()));
    append(info, context);
    Octets out(size);
    const gnutls_datum_t key{const_cast<std::uint8_t*>(secret.data()), static_cast<unsigned>(secret.size())};
    const gnutls_datum_t info_datum{info.data(), static_cast<unsigned>(info.size())};
    gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &key, &info_datum, out.data(), size);
    return out;
  }

 private:
  using Aead = std::unique_ptr<api_aead_cipher_hd_st, decltype(&gnutls_aead_cipher_deinit)>;

  Aead new_aead() const {
    gnutls_aead_cipher_hd_t aead = nullptr;
    const gnutls_datum_t key{const_cast<std::uint8_t*>(key_.data()), static_cast<unsigned>(key_.size())};
    gnutls_aead_cipher_init(&aead, GNUTLS_CIPHER_AES_128_GCM, &key);
    return {aead, &gnutls_aead_cipher_deinit};
  }
  Octets nonce_of(std::uint64_t number) const {
    Octets nonce = iv_;
    for (std::size_t i = 0; i < 8; ++i) nonce[11 - i] ^= static_cast<std::uint8_t>(number >> (8 * i));
    return nonce;
  }
  /// RFC 9001 §5.4: one AES block, by CBC with an IV of zeroes.
  std::array<std::uint8_t, 16> header_mask(Bytes sample) const {
    std::array<std::uint8_t, 16> mask, zero{};
    gnutls_cipher_hd_t block;
    const gnutls_datum_t hp{const_cast<std::uint8_t*>(hp_.data()), static_cast<unsigned>(hp_.size())};
    gnutls_datum_t iv{zero.data(), zero.size()};
    gnutls_cipher_init(&block, GNUTLS_CIPHER_AES_128_CBC, &hp, &iv);
    gnutls_cipher_encrypt2(block, sample.data(), 16, mask.data(), mask.size());
    gnutls_cipher_deinit(block);
    return mask;
  }

  Octets seal(Octets header, std::uint32_t number, const Octets& frames) const {
    const std::size_t number_at = header.size();
    for (int shift = 24; shift >= 0; shift -= 8) header.push_back(static_cast<std::uint8_t>(number >> shift));
    const Octets nonce = nonce_of(number);
    Octets packet = header;
    packet.resize(header.size() + frames.size() + 16);
    const auto aead = new_aead();
    std::size_t sealed = frames.size() + 16;
    gnutls_aead_cipher_encrypt(aead.get(), nonce.data(), nonce.size(), header.data(), header.size(), 16,
                               frames.data(), frames.size(), packet.data() + header.size(), &sealed);
    const auto mask = header_mask(Bytes(packet).subspan(number_at + 4, 16));
    packet[0] ^= mask[0] & ((packet[0] & 0x80) != 0 ? 0x0f : 0x1f);
    for (std::size_t i = 0; i < 4; ++i) packet[number_at + i] ^= mask[1 + i];
    return packet;
  }

  std::uint32_t version_;
  Octets secret_, key_, iv_, hp_;
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
