// Answers that need no connection: Version Negotiation, Retry, CONNECTION_CLOSE and stateless reset. Each is
// at most three times as large as the datagram it answers (the amplification limit, RFC 9000 §8.1; ngtcp2
// enforces it for connections). All but Retry are rate-limited, because the source address is not validated.
#include "quic/endpoint_impl.h"
#include "quic/native.h"

#include <algorithm>
#include <array>

#include <ngtcp2/ngtcp2_crypto.h>

namespace sallyport::quic {
namespace {

using Impl = Endpoint::Impl;

constexpr std::size_t smallest_reset = NGTCP2_MIN_STATELESS_RESET_RANDLEN + NGTCP2_STATELESS_RESET_TOKENLEN;
/// No packet of ours is shorter, so it cannot be told from one (RFC 9000 §10.3).
constexpr std::size_t usual_reset = 1 + NGTCP2_MAX_CIDLEN + 1 + 1 + NGTCP2_STATELESS_RESET_TOKENLEN;

}  // namespace

void Impl::reply(const net::NetPath& to, Bytes packet) {
  path.send(to, {packet, packet.size()});
}

void Impl::reply_version_negotiation(const net::NetPath& to, const ngtcp2_version_cid& asked, Time now) {
  if (!version_negotiations.allow(now)) return;
  std::array<std::uint32_t, 8> versions;
  const std::size_t count = std::min(versions.size() - 1, config->versions.size());
  std::copy_n(config->versions.begin(), count, versions.begin());
  // A reserved version, for greasing (RFC 9000 §6.3).
  versions[count] = (static_cast<std::uint32_t>(environment.random.next_u64()) & 0xf0f0f0f0u) | 0x0a0a0a0au;
  std::array<std::uint8_t, minimum_udp_payload> packet;
  const ngtcp2_ssize size = ngtcp2_pkt_write_version_negotiation(
      packet.data(), packet.size(), static_cast<std::uint8_t>(environment.random.next_u64()), asked.scid,
      asked.scidlen, asked.dcid, asked.dcidlen, versions.data(), count + 1);
  if (size <= 0) return;
  ++stats.version_negotiations_sent;
  reply(to, Bytes(packet).first(static_cast<std::size_t>(size)));
}

void Impl::reply_retry(const net::NetPath& to, const ngtcp2_pkt_hd& initial, Time now) {
  ngtcp2_cid retry_id;
  do {  // RFC 9000 §17.2.5.1: a different one; a client may guess
    retry_id = to_native_id(ConnectionIdLayout::make(options.owner, environment.random));
  } while (ngtcp2_cid_eq(&retry_id, &initial.dcid) != 0);
  const auto token = tokens.make_retry(initial.version, to.remote, retry_id, initial.dcid, wall_time(now));
  if (token.empty()) return;
  std::array<std::uint8_t, 256> packet;
  const ngtcp2_ssize size =
      ngtcp2_crypto_write_retry(packet.data(), packet.size(), initial.version, &initial.scid, &retry_id,
                                &initial.dcid, token.data(), token.size());
  if (size <= 0) return;
  ++stats.retries_sent;
  reply(to, Bytes(packet).first(static_cast<std::size_t>(size)));
}

void Impl::reply_close(const net::NetPath& to, const ngtcp2_pkt_hd& initial, std::uint64_t code, Time now) {
  if (!refusals.allow(now)) return;
  std::array<std::uint8_t, 256> packet;
  const ngtcp2_ssize size = ngtcp2_crypto_write_connection_close(
      packet.data(), packet.size(), initial.version, &initial.scid, &initial.dcid, code, nullptr, 0);
  if (size > 0) reply(to, Bytes(packet).first(static_cast<std::size_t>(size)));
}

void Impl::reply_reset(const net::NetPath& to, Bytes datagram, Time now) {
  // Smaller than the packet it answers, so no stateless reset loop arises between two endpoints (RFC 9000
  // §10.3.3).
  if (datagram.size() <= smallest_reset || !resets.allow(now)) return;
  const std::size_t size = std::min(datagram.size() - 1, usual_reset);
  std::array<std::uint8_t, usual_reset> random, packet;
  environment.random.fill(random);
  std::array<std::uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> token;
  make_reset_token(to_native_id(datagram.subspan(1, ConnectionIdLayout::length)), token.data());
  const ngtcp2_ssize written = ngtcp2_pkt_write_stateless_reset(
      packet.data(), packet.size(), token.data(), random.data(), size - NGTCP2_STATELESS_RESET_TOKENLEN);
  if (written <= 0) return;
  ++stats.stateless_resets_sent;
  reply(to, Bytes(packet).first(static_cast<std::size_t>(written)));
}

void Impl::make_reset_token(const ngtcp2_cid& id, std::uint8_t* token) const {
  ngtcp2_crypto_generate_stateless_reset_token(token, reset_secret.data(), reset_secret.size(), &id);
}

}  // namespace sallyport::quic
