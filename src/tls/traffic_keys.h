// TrafficKeys: what protects one direction of a TLS 1.3 connection with TLS_AES_128_GCM_SHA256 (RFC 8446
// §5.2, §5.3, §7.3). For aes_records.cpp.
#pragma once

#include "tls/fast_aes.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

namespace sallyport::tls {

using TrafficSecret = std::array<std::uint8_t, 32>;

/// Only where has_fast_aes_gcm(). Wiped when it is destroyed.
class TrafficKeys {
 public:
  /// `sequence`: of the next record. Nothing where GnuTLS fails.
  static std::optional<TrafficKeys> make(const TrafficSecret& secret, std::uint64_t sequence);
  TrafficKeys(TrafficKeys&&) = default;
  TrafficKeys& operator=(TrafficKeys&&) = default;
  ~TrafficKeys();

  /// The next record's nonce; counts it.
  std::array<std::uint8_t, aes_gcm_nonce_size> next_nonce();
  /// Records since the keys are in use.
  std::uint64_t sequence() const { return sequence_; }
  const FastAesGcm& aead() const { return *aead_; }
  /// KeyUpdate (RFC 8446 §4.6.3): the next generation. False where GnuTLS fails.
  bool update();

 private:
  TrafficKeys() = default;
  bool derive();

  TrafficSecret secret_{};
  std::array<std::uint8_t, aes_gcm_nonce_size> iv_{};
  std::uint64_t sequence_ = 0;
  std::unique_ptr<const FastAesGcm> aead_;
};

}  // namespace sallyport::tls
