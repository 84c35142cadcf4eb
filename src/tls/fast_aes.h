// AES-128 for packet protection (RFC 9001 §5) and TLS records (RFC 8446 §5.2) by ipsec-mb, some four times as
// fast as GnuTLS on processors with vector AES (VAES). For quic/packet_protection.cpp and
// tls/aes_records.cpp; GnuTLS does both otherwise.
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace sallyport::tls {

inline constexpr std::size_t aes_128_key_size = 16, aes_gcm_nonce_size = 12, aes_gcm_tag_size = 16;

/// Whether this build has ipsec-mb and the processor has vector AES. The first call takes a millisecond: the
/// library's self-test.
bool has_fast_aes_gcm();

/// One direction's key. Only where has_fast_aes_gcm(); wiped when it is destroyed.
class FastAesGcm {
 public:
  explicit FastAesGcm(std::span<const std::uint8_t, aes_128_key_size> key);
  ~FastAesGcm();
  FastAesGcm(const FastAesGcm&) = delete;
  FastAesGcm& operator=(const FastAesGcm&) = delete;

  /// Writes the ciphertext and the tag, `plain.size()` + aes_gcm_tag_size bytes, to `out`, which may be
  /// `plain`. `nonce` has aes_gcm_nonce_size bytes.
  void seal(std::uint8_t* out, Bytes plain, Bytes nonce, Bytes header) const;
  /// The same of pieces that lie apart from each other and from `out`.
  void seal(std::uint8_t* out, std::span<const Bytes> pieces, Bytes nonce, Bytes header) const;
  /// False when authentication fails; `out` must not be used then. `sealed` has at least a tag.
  bool open(std::uint8_t* out, Bytes sealed, Bytes nonce, Bytes header) const;

 private:
  struct Key;
  std::unique_ptr<Key> key_;
};

/// One direction's header protection key (RFC 9001 §5.4.3). Only where has_fast_aes_gcm().
class FastAesHeaderMask {
 public:
  static constexpr std::size_t sample_size = 16;

  explicit FastAesHeaderMask(std::span<const std::uint8_t, aes_128_key_size> key);
  ~FastAesHeaderMask();
  FastAesHeaderMask(const FastAesHeaderMask&) = delete;
  FastAesHeaderMask& operator=(const FastAesHeaderMask&) = delete;

  /// `sample` has sample_size bytes.
  std::array<std::uint8_t, sample_size> mask(const std::uint8_t* sample) const;

 private:
  static constexpr std::size_t rounds = 11;
  alignas(16) std::array<std::uint8_t, rounds * 16> expanded_;
};

}  // namespace sallyport::tls
