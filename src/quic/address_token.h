// AddressTokens: address validation tokens (RFC 9000 §8.1): Retry tokens, and NEW_TOKEN tokens for later
// connections. They are sealed with keys derived from the deployment's secret, bound to the client's address,
// and valid for one QUIC version only (RFC 9369 §5). They are dated by the wall clock, which replicas of a
// deployment share. A NEW_TOKEN token is valid once (RFC 9000 §8.1.4): a former owner of an address could
// otherwise spoof it, with no amplification limit on the response.
#pragma once

#include "base/time.h"
#include "net/address.h"
#include "tls/replay_guard.h"
#include "tls/server_secret.h"

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <ngtcp2/ngtcp2.h>

namespace sallyport::quic {

class AddressTokens {
 public:
  enum class Verdict : std::uint8_t {
    absent,         ///< no token, or not ours, expired or used: the address is not validated
    proven,         ///< from a NEW_TOKEN frame: the address is validated
    after_retry,    ///< from our Retry; `original_id` is filled in
    invalid_retry,  ///< a Retry token that is not valid: INVALID_TOKEN
  };

  /// `used`: remembers the NEW_TOKEN tokens that were presented. When it is full, no NEW_TOKEN token is
  /// accepted.
  AddressTokens(const tls::ServerSecret& secret, std::shared_ptr<tls::ReplayRecord> used);

  /// Uses the token up.
  Verdict check(const ngtcp2_pkt_hd& initial, const net::SocketAddress& remote, WallTime now,
                ngtcp2_cid& original_id);
  /// Empty on failure.
  std::vector<std::uint8_t> make_retry(std::uint32_t version, const net::SocketAddress& remote,
                                       const ngtcp2_cid& retry_id, const ngtcp2_cid& original_id,
                                       WallTime now) const;
  std::vector<std::uint8_t> make_new_token(std::uint32_t version, const net::SocketAddress& remote,
                                           WallTime now) const;

 private:
  using Key = std::array<std::uint8_t, 32>;
  const Key& key_for(std::uint32_t version) const;
  bool is_first_use(Bytes token, WallTime now);

  Key version_1_key_, version_2_key_;
  std::shared_ptr<tls::ReplayRecord> used_;
};

}  // namespace sallyport::quic
