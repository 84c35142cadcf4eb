#include "quic/address_token.h"

#include "quic/config.h"
#include "quic/native.h"

#include <utility>

#include <ngtcp2/ngtcp2_crypto.h>

namespace sallyport::quic {
namespace {

constexpr Duration retry_lifetime = 10s;  // of a Retry token: the slowest round trip
constexpr Duration new_token_lifetime =
    tls::ReplayRecord::window;  // used tokens are remembered for this long

}  // namespace

AddressTokens::AddressTokens(const tls::ServerSecret& secret, std::shared_ptr<tls::ReplayRecord> used)
    : version_1_key_(secret.derive("quic address token 1")),
      version_2_key_(secret.derive("quic address token 2")),
      used_(std::move(used)) {}

const AddressTokens::Key& AddressTokens::key_for(std::uint32_t version) const {
  return version == version_2 ? version_2_key_ : version_1_key_;
}

bool AddressTokens::is_first_use(Bytes token, WallTime now) {
  // A token ends in the random bytes from which its key was derived, so they identify a valid token.
  return used_->add(token.last(sizeof(std::uint64_t)),
                    std::chrono::system_clock::to_time_t(std::chrono::floor<std::chrono::seconds>(now)));
}

AddressTokens::Verdict AddressTokens::check(const ngtcp2_pkt_hd& initial, const net::SocketAddress& remote,
                                            WallTime now, ngtcp2_cid& original_id) {
  if (initial.tokenlen == 0) return Verdict::absent;
  const Key& key = key_for(initial.version);
  switch (initial.token[0]) {
    case NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY:
      return ngtcp2_crypto_verify_retry_token(&original_id, initial.token, initial.tokenlen, key.data(),
                                              key.size(), initial.version, remote.data(), remote.size(),
                                              &initial.dcid, to_native(retry_lifetime), to_native(now)) == 0
                 ? Verdict::after_retry
                 : Verdict::invalid_retry;
    case NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR:  // of the address only: NAT gives each of a host's connections
                                             // another port
      return ngtcp2_crypto_verify_regular_token(initial.token, initial.tokenlen, key.data(), key.size(),
                                                remote.data(), remote.size(), to_native(new_token_lifetime),
                                                to_native(now)) == 0 &&
                     is_first_use({initial.token, initial.tokenlen}, now)
                 ? Verdict::proven
                 : Verdict::absent;
    default:
      return Verdict::absent;
  }
}

std::vector<std::uint8_t> AddressTokens::make_retry(std::uint32_t version, const net::SocketAddress& remote,
                                                    const ngtcp2_cid& retry_id, const ngtcp2_cid& original_id,
                                                    WallTime now) const {
  const Key& key = key_for(version);
  std::vector<std::uint8_t> token(NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN);
  const ngtcp2_ssize size =
      ngtcp2_crypto_generate_retry_token(token.data(), key.data(), key.size(), version, remote.data(),
                                         remote.size(), &retry_id, &original_id, to_native(now));
  token.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return token;
}

std::vector<std::uint8_t> AddressTokens::make_new_token(std::uint32_t version,
                                                        const net::SocketAddress& remote,
                                                        WallTime now) const {
  const Key& key = key_for(version);
  std::vector<std::uint8_t> token(NGTCP2_CRYPTO_MAX_REGULAR_TOKENLEN);
  const ngtcp2_ssize size = ngtcp2_crypto_generate_regular_token(
      token.data(), key.data(), key.size(), remote.data(), remote.size(), to_native(now));
  token.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return token;
}

}  // namespace sallyport::quic
