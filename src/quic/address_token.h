// AddressTokens: tokens that prove a client's address to a server (RFC 9000 §8.1): those of Retry packets,
// and those of NEW_TOKEN frames for later connections. Sealed with keys of the deployment's secret, bound to
// the address, and each good for one QUIC version only (RFC 9369 §5).
#pragma once

#include "base/time.h"
#include "net/address.h"
#include "tls/server_secret.h"

#include <array>
#include <cstdint>
#include <vector>

#include <ngtcp2/ngtcp2.h>

namespace sallyport::quic {

class AddressTokens {
 public:
  enum class Verdict : std::uint8_t {
    absent,         ///< none, or one that is not ours or too old: the address is not proven
    proven,         ///< from a NEW_TOKEN frame
    after_retry,    ///< from our Retry; `original_id` is filled in
    invalid_retry,  ///< claims to be from our Retry and is not: INVALID_TOKEN
  };

  explicit AddressTokens(const tls::ServerSecret& secret);

  Verdict check(const ngtcp2_pkt_hd& initial, const net::SocketAddress& remote, Time now,
                ngtcp2_cid& original_id) const;
  /// Empty on failure.
  std::vector<std::uint8_t> make_retry(std::uint32_t version, const net::SocketAddress& remote,
                                       const ngtcp2_cid& retry_id, const ngtcp2_cid& original_id,
                                       Time now) const;
  std::vector<std::uint8_t> make_new_token(std::uint32_t version, const net::SocketAddress& remote,
                                           Time now) const;

 private:
  using Key = std::array<std::uint8_t, 32>;
  const Key& key_for(std::uint32_t version) const;

  Key version_1_key_, version_2_key_;
};

}  // namespace sallyport::quic
