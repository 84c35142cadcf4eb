// Packets that belong to no connection: an Initial packet makes a new connection; others are answered or
// dropped.
#include "quic/endpoint_impl.h"
#include "quic/native.h"
#include "quic/packet_header.h"

#include <algorithm>

namespace sallyport::quic {

using Impl = Endpoint::Impl;

bool Impl::is_stray(Bytes id) const {
  const auto owner = ConnectionIdLayout::owner_of(id);
  return owner && *owner != options.owner;
}

void Impl::on_unknown(const net::NetPath& from, Bytes datagram, net::Ecn ecn, Time now) {
  ngtcp2_version_cid header;
  const int error = datagram.empty()
                        ? NGTCP2_ERR_INVALID_ARGUMENT
                        : ngtcp2_pkt_decode_version_cid(&header, datagram.data(), datagram.size(),
                                                        ConnectionIdLayout::length);
  if (error == NGTCP2_ERR_VERSION_NEGOTIATION) {
    reply_version_negotiation(from, header, now);
    return;
  }
  if (error != 0) {
    ++stats.dropped_malformed;
    return;
  }
  const Bytes id{header.dcid, header.dcidlen};
  const bool is_long = is_long_header(datagram);
  if (is_long && header.version == 0) {  // Version Negotiation is a server's to send
    ++stats.dropped_malformed;
    return;
  }
  if (is_long &&
      std::find(config->versions.begin(), config->versions.end(), header.version) == config->versions.end()) {
    if (datagram.size() >= minimum_udp_payload)
      reply_version_negotiation(from, header, now);
    else
      ++stats.dropped_short_initial;
    return;
  }
  ngtcp2_pkt_hd initial;
  if (is_long && ngtcp2_accept(&initial, datagram.data(), datagram.size()) == 0) {
    on_initial(initial, from, datagram, ecn, now);
    return;
  }
  if (is_long && ngtcp2_pkt_decode_hd_long(&initial, datagram.data(), datagram.size()) < 0) {
    ++stats.dropped_malformed;
    return;
  }
  if (is_long && initial.type == NGTCP2_PKT_INITIAL) {
    ++stats.dropped_short_initial;
    return;
  }
  // The Destination Connection IDs of Initial and 0-RTT packets are chosen by the client and name no owner,
  // and no client sends Retry.
  if (is_stray(id) && (!is_long || initial.type == NGTCP2_PKT_HANDSHAKE)) {
    if (on_stray)
      on_stray(*ConnectionIdLayout::owner_of(id), from, datagram, ecn);
    else
      ++stats.dropped_unknown;
    return;
  }
  ++stats.dropped_unknown;
  if (!is_long) reply_reset(from, datagram, now);
}

void Impl::on_initial(const ngtcp2_pkt_hd& initial, const net::NetPath& from, Bytes datagram, net::Ecn ecn,
                      Time now) {
  if (!accepting || stats.connections >= options.max_connections) {
    reply_close(from, initial, NGTCP2_CONNECTION_REFUSED, now);
    return;
  }
  ngtcp2_cid original_id = initial.dcid;
  ngtcp2_token_type token_type = NGTCP2_TOKEN_TYPE_UNKNOWN;
  switch (tokens.check(initial, from.remote, wall_time(now), original_id)) {
    case AddressTokens::Verdict::invalid_retry:
      ++stats.dropped_token;
      reply_close(from, initial, NGTCP2_INVALID_TOKEN, now);
      return;
    case AddressTokens::Verdict::after_retry:
      token_type = NGTCP2_TOKEN_TYPE_RETRY;
      break;
    case AddressTokens::Verdict::proven:
      token_type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
      if (options.retry != RetryPolicy::always) break;
      [[fallthrough]];
    case AddressTokens::Verdict::absent:
      if (initial.tokenlen != 0 && token_type == NGTCP2_TOKEN_TYPE_UNKNOWN) ++stats.ignored_tokens;
      if (options.retry == RetryPolicy::always ||
          (options.retry == RetryPolicy::under_load && stats.half_open >= options.retry_above_half_open)) {
        reply_retry(from, initial, now);
        return;
      }
      // ngtcp2_accept() does not check this, because it does not validate the token.
      if (initial.dcid.datalen < NGTCP2_MIN_INITIAL_DCIDLEN) {
        ++stats.dropped_malformed;
        return;
      }
      break;
  }
  if (stats.half_open >= options.max_half_open) {
    ++stats.dropped_half_open;
    return;
  }
  accept_connection(initial, original_id, token_type, from, datagram, ecn, now);
}

void Impl::accept_connection(const ngtcp2_pkt_hd& initial, const ngtcp2_cid& original_id,
                             ngtcp2_token_type token_type, const net::NetPath& from, Bytes datagram,
                             net::Ecn ecn, Time now) {
  auto owned = std::make_unique<Connection::Impl>(environment, path, config, true);
  Connection::Impl& connection = *owned;
  auto member = std::make_unique<EndpointMember>();
  connection.keeper = this;
  connection.member = member.get();
  connection.now = connection.started = now;
  member->connection.reset(new Connection(std::move(owned)));
  member->original_key = ids.key_of(id_bytes(initial.dcid));
  const tls::QuicServerOptions& tls_options = initial.version == version_2 ? tls_version_2 : tls_version_1;
  if (!connection.start_server(initial, original_id, token_type, from, tls_options)) {
    ++stats.handshakes_failed;
    return;
  }
  EndpointMember& kept = *member;
  ids.set(kept.original_key, &kept);
  kept.index = members.size();
  members.push_back(std::move(member));
  ++stats.accepted;
  ++stats.connections;
  ++stats.half_open;
  if (options.watcher != nullptr) options.watcher->on_accepted(*kept.connection);
  if (connection.receive_first(from, datagram, ecn, now)) return;
  // ngtcp2 asks for a Retry (NGTCP2_ERR_RETRY) where it cannot accept the Initial without one.
  reply_retry(from, initial, now);
  connection.end({.by = Closed::By::us, .reason = "answered with Retry"}, false);
}

Result<> Connection::Impl::start_server(const ngtcp2_pkt_hd& initial, const ngtcp2_cid& original_id,
                                        ngtcp2_token_type token_type, const net::NetPath& from,
                                        const tls::QuicServerOptions& tls_options) {
  auto session = tls::QuicSession::server(tls_options);
  if (!session) return std::unexpected(std::move(session.error()));
  current_path = from;
  retried = token_type == NGTCP2_TOKEN_TYPE_RETRY;
  first_version = initial.version;

  ngtcp2_callbacks callbacks{};
  fill(callbacks);
  const std::vector<std::uint16_t>& probes = PathMtu::probe_sizes(path_limit());
  ngtcp2_settings settings;
  ngtcp2_transport_params parameters;
  fill(settings, parameters, probes);
  if (token_type != NGTCP2_TOKEN_TYPE_UNKNOWN) {
    settings.token = initial.token;
    settings.tokenlen = initial.tokenlen;
    settings.token_type = token_type;
  }
  parameters.original_dcid = original_id;
  parameters.original_dcid_present = 1;
  if (retried) {
    parameters.retry_scid = initial.dcid;
    parameters.retry_scid_present = 1;
  }
  ngtcp2_cid own_id;
  keeper->make_id(own_id, parameters.stateless_reset_token);
  parameters.stateless_reset_token_present = 1;

  const NativePath native_path(from);
  auto memory = std::make_unique<ConnectionMemory>(keeper->regions());
  ngtcp2_conn* native = nullptr;
  if (ngtcp2_conn_server_new(&native, &initial.scid, &own_id, native_path.get(), initial.version, &callbacks,
                             &settings, &parameters, memory->native(), this) != 0)
    return fail(ErrorKind::resource, "no memory for a QUIC connection");
  conn.reset(native, std::move(memory));
  conn.set_on_unfolded([this] { on_unfolded(); });
  if (auto begun = begin(std::move(*session), id_bytes(original_id), {}); !begun) return begun;
  keeper->add_id(*member, own_id);
  return {};
}

}  // namespace sallyport::quic
