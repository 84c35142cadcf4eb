// AddressTokens: tokens that prove a client's address to a server (RFC 9000 §8.1): those of Retry packets,
// and those of NEW_TOKEN frames for later connections. Sealed with keys of the deployment's secret, bound to
// the address, and each good for one QUIC version only (RFC 9369 §5). Dated by the wall clock, which replicas
// of a deployment share. Those of NEW_TOKEN frames are good once (RFC 9000 §8.1.4): whoever had an address
// before could otherwise send from it in its present owner's name, with no limit to what is answered.
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
    absent,         ///< none, or one that is not ours, too old or used: the address is not proven
    proven,         ///< from a NEW_TOKEN frame
    after_retry,    ///< from our Retry; `original_id` is filled in
    invalid_retry,  ///< claims to be from our Retry and is not: INVALID_TOKEN
  };

  /// `used`: where those of NEW_TOKEN frames are remembered once they were shown. When it is full, none is
  /// believed.
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
